/* SPDX-License-Identifier: MIT */
#include "client/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define X(name, number, interface, error, code, text)                                              \
	_Static_assert(USHER_E_##name == USHER_STATUS_BASE + (number), "usher.h: USHER_E_" #name);
USHER_STATUS_LIST(X)
#undef X
_Static_assert(USHER_E_OTHER == USHER_STATUS_BASE, "usher.h: USHER_E_OTHER");

/* A change of the list that usher.h does not follow stops here. */
#define X(name, number, interface, error, code, text) +1
_Static_assert(0 USHER_STATUS_LIST(X) == 24, "usher.h: list the new error");
#undef X

static void forget(struct usher *u)
{
	free(u->error_parameters);
	u->error_parameters = NULL;
	u->error_name[0] = '\0';
	u->error_message[0] = '\0';
	u->error = (struct usher_error){0, u->error_name, u->error_message, "{}"};
}

void usher_keep_error(struct usher *u, int error)
{
	const char *name = usher_error_name(error);

	forget(u);
	u->error.error = error;
	if (name)
		u->error.name = name;
	explain_errno(error, u->socket_path, u->error_message, sizeof(u->error_message));
}

int usher_begin(struct usher *u)
{
	if (u->pid != getpid())
		return usher_fail(u, -ECHILD);
	forget(u);
	return 0;
}

int refusal_number(const struct varlink_reply *reply)
{
	int status = status_from_error_name(reply->error);

	return -(USHER_STATUS_BASE + (status > 0 ? status : 0));
}

int usher_refused(struct usher *u, const struct varlink_reply *reply)
{
	int status = status_from_error_name(reply->error);

	forget(u);
	u->error.error = refusal_number(reply);
	memcpy(u->error_name, reply->error, sizeof(u->error_name));
	u->error_parameters = copy_text_of(reply->parameters.text, reply->parameters.length);
	if (u->error_parameters)
		u->error.parameters = u->error_parameters;
	explain_refusal(status, u->error_name, &reply->parameters, u->error_message,
		sizeof(u->error_message));
	return u->error.error;
}

const struct usher_error *usher_last_error(const struct usher *u)
{
	return &u->error;
}

const char *usher_strerror(int error)
{
	const char *text;

	if (error >= 0)
		return "success";
	if (error == -USHER_E_OTHER)
		return "the broker refused with an error that this library does not know";
	if (error < -USHER_E_OTHER)
		return status_text(-(error + USHER_STATUS_BASE));
	text = strerrordesc_np(-error);
	return text ? text : "unknown error";
}

const char *usher_error_name(int error)
{
	if (error >= 0)
		return NULL;
	if (error <= -USHER_STATUS_BASE)
		return status_error_name(-(error + USHER_STATUS_BASE));
	return strerrorname_np(-error);
}
