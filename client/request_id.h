/* SPDX-License-Identifier: MIT */
/* Names for requests that were given none, so that they can be made twice. */
#ifndef USHER_CLIENT_REQUEST_ID_H
#define USHER_CLIENT_REQUEST_ID_H

#define REQUEST_ID_SIZE 64

/* In the same form as the broker's own: unique on this host, and readable as a time. 0 or a negated
 * errno. */
int request_id_make(char ret[REQUEST_ID_SIZE]);

#endif
