/* SPDX-License-Identifier: MIT */
/* A program with functions of its own that happen to be named as some inside libusher.a: that it
 * links is most of the test. */
#include <stdlib.h>
#include <usher.h>

void json_parse(void);
void json_writer_init(void);
void conn_open(void);
void usher_keep_error(void);
void find_object(void);

void json_parse(void)
{
	abort();
}

void json_writer_init(void)
{
	abort();
}

void conn_open(void)
{
	abort();
}

void usher_keep_error(void)
{
	abort();
}

void find_object(void)
{
	abort();
}

int main(void)
{
	struct usher_open_options options = {.size = sizeof(options), .socket = "/nonexistent/s"};
	struct usher_create_options wish = {.size = sizeof(wish), .metadata = "{}"};
	struct usher_session session = {.size = sizeof(session)};
	struct usher *u;
	int r;

	if (usher_open(&options, &u) < 0)
		return 1;
	r = usher_create(u, &wish, &session);
	usher_close(u);
	return r < 0 ? 0 : 1;
}
