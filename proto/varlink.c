/* SPDX-License-Identifier: MIT */
#include "proto/varlink.h"

#include "proto/message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void varlink_fault_set(struct varlink_fault *fault, const char *parameter, const char *format, ...)
{
	va_list args;

	/* cppcheck-suppress ctuuninitvar ; the text is written here, not read */
	snprintf(fault->parameter, sizeof(fault->parameter), "%s", parameter);
	va_start(args, format);
	vsnprintf(fault->expected, sizeof(fault->expected), format, args);
	va_end(args);
}

/* ---- decoding ---- */

enum envelope_key { KEY_METHOD, KEY_PARAMETERS, KEY_ONEWAY, KEY_MORE, KEY_UPGRADE, KEY_COUNT };

#define ENVELOPE_KEY(name)                                                                         \
	{                                                                                          \
		name, sizeof(name) - 1                                                             \
	}

static const struct {
	const char *text;
	size_t length;
} envelope_keys[KEY_COUNT] = {
	[KEY_METHOD] = ENVELOPE_KEY("method"),
	[KEY_PARAMETERS] = ENVELOPE_KEY("parameters"),
	[KEY_ONEWAY] = ENVELOPE_KEY("oneway"),
	[KEY_MORE] = ENVELOPE_KEY("more"),
	[KEY_UPGRADE] = ENVELOPE_KEY("upgrade"),
};

static int fault_here(struct varlink_fault *fault, const char *key, const char *expected)
{
	varlink_fault_set(fault, key, "%s", expected);
	return -EBADMSG;
}

/* Vendors may add keys of their own: "com.example.key" (UAPI.20). */
static bool has_vendor_prefix(const struct json_value *key)
{
	return memchr(key->text, '.', key->length) != NULL;
}

static int find_envelope_key(const struct json_value *key)
{
	for (int i = 0; i < KEY_COUNT; i++)
		if (json_string_is(key, envelope_keys[i].text, envelope_keys[i].length))
			return i;
	return -1;
}

/* The values by their keys; NULL where there is none. */
struct envelope {
	const struct json_value *values[KEY_COUNT];
	struct json_member storage[KEY_COUNT + 1]; /* where the parse kept none */
	size_t n_stored;
};

static int collect_envelope(
	const struct json_value *object, struct envelope *envelope, struct varlink_fault *fault)
{
	struct json_iter iter;
	const struct json_member *member;

	json_iter_init(&iter, object);
	while ((member = json_next(&iter, &envelope->storage[envelope->n_stored]))) {
		int index = find_envelope_key(&member->key);

		if (index < 0 && has_vendor_prefix(&member->key))
			continue;
		if (index < 0)
			return fault_here(fault, "message",
				"only the keys method, parameters, oneway, more, upgrade");
		if (envelope->values[index])
			return fault_here(fault, envelope_keys[index].text, "the key once");
		envelope->values[index] = &member->value;
		envelope->n_stored++;
	}
	return 0;
}

static int decode_method(
	const struct json_value *value, struct varlink_call *call, struct varlink_fault *fault)
{
	if (!value || value->type != JSON_STRING)
		return fault_here(fault, "method", "a string \"interface.Method\"");
	if (value->length > VARLINK_METHOD_MAX)
		return fault_here(fault, "method", "at most 255 bytes");
	call->method = value->text;
	call->method_length = value->length;
	if (value->escaped) {
		call->method_length = json_unescape(value, call->method_buffer);
		call->method = call->method_buffer;
	}
	return 0;
}

static int decode_flags(
	const struct envelope *envelope, struct varlink_call *call, struct varlink_fault *fault)
{
	bool *flags[KEY_COUNT] = {
		[KEY_ONEWAY] = &call->oneway,
		[KEY_MORE] = &call->more,
		[KEY_UPGRADE] = &call->upgrade,
	};

	for (int i = KEY_ONEWAY; i < KEY_COUNT; i++) {
		const struct json_value *value = envelope->values[i];

		if (!value)
			continue;
		if (value->type != JSON_TRUE && value->type != JSON_FALSE)
			return fault_here(fault, envelope_keys[i].text, "true or false");
		*flags[i] = value->type == JSON_TRUE;
	}
	if (call->oneway + call->more + call->upgrade > 1)
		return fault_here(fault, "message", "at most one of oneway, more, upgrade");
	return 0;
}

static const struct json_value empty_object = {.type = JSON_OBJECT, .text = "{}", .length = 2};

static int decode_parameters(const struct json_value *value, struct json_value *ret)
{
	if (!value || value->type == JSON_NULL)
		*ret = empty_object;
	else if (value->type == JSON_OBJECT)
		*ret = *value;
	else
		return -EBADMSG;
	return 0;
}

static int parse_message(const char *frame, size_t length, unsigned max_depth,
	struct json_kept *kept, struct json_value *ret, struct varlink_fault *fault)
{
	struct json_fault json;

	if (json_parse_keeping(frame, length, max_depth, kept, ret, &json) < 0) {
		varlink_fault_set(fault, "message", "%s at byte %zu", json.expected, json.offset);
		return -EBADMSG;
	}
	if (ret->type != JSON_OBJECT)
		return fault_here(fault, "message", "a JSON object");
	return 0;
}

int varlink_call_decode(const char *frame, size_t length, unsigned max_depth,
	struct varlink_call *ret, struct varlink_fault *fault)
{
	struct envelope envelope;
	struct json_value message;
	int r = parse_message(frame, length, max_depth, &ret->kept, &message, fault);

	if (r < 0)
		return r;
	ret->oneway = ret->more = ret->upgrade = false;
	memset(envelope.values, 0, sizeof(envelope.values));
	envelope.n_stored = 0;
	r = collect_envelope(&message, &envelope, fault);
	if (r == 0)
		r = decode_method(envelope.values[KEY_METHOD], ret, fault);
	if (r == 0)
		r = decode_flags(&envelope, ret, fault);
	if (r == 0 && decode_parameters(envelope.values[KEY_PARAMETERS], &ret->parameters) < 0)
		r = fault_here(fault, "parameters", "an object");
	return r;
}

/* A newer broker may add keys to its replies, so unknown ones are passed over. */
int varlink_reply_decode(
	const char *frame, size_t length, unsigned max_depth, struct varlink_reply *ret)
{
	struct varlink_fault fault;
	struct json_value message, value;

	if (parse_message(frame, length, max_depth, &ret->kept, &message, &fault) < 0)
		return -EBADMSG;
	ret->error[0] = '\0';
	if (json_find_member(&message, "error", &value) && value.type != JSON_NULL) {
		if (value.type != JSON_STRING || value.length == 0 ||
			value.length > VARLINK_METHOD_MAX)
			return -EBADMSG;
		ret->error[json_unescape(&value, ret->error)] = '\0';
	}
	ret->continues = false;
	if (json_find_member(&message, "continues", &value)) {
		if (value.type != JSON_TRUE && value.type != JSON_FALSE)
			return -EBADMSG;
		ret->continues = value.type == JSON_TRUE;
	}
	return decode_parameters(
		json_find_member(&message, "parameters", &value) ? &value : NULL, &ret->parameters);
}

/* ---- encoding ---- */

void varlink_reply_begin(struct json_writer *out)
{
	json_write_bytes(out, "{\"parameters\":{", 15);
}

static void end_message(struct json_writer *out)
{
	json_write_bytes(out, "}", 2); /* with its NUL */
}

void varlink_reply_end(struct json_writer *out, bool continues)
{
	json_write_bytes(out, "}", 1);
	if (continues)
		json_write_bytes(out, ",\"continues\":true", 17);
	end_message(out);
}

void varlink_error_begin(struct json_writer *out, const char *name)
{
	json_write_bytes(out, "{\"error\":\"", 10);
	json_write_bytes(out, name, strlen(name));
	json_write_bytes(out, "\",\"parameters\":{", 16);
}

void varlink_error_end(struct json_writer *out)
{
	json_write_bytes(out, "}", 1);
	end_message(out);
}

void varlink_error(struct json_writer *out, const char *name)
{
	varlink_error_begin(out, name);
	varlink_error_end(out);
}

void varlink_invalid_parameter(struct json_writer *out, const struct varlink_fault *fault)
{
	varlink_error_begin(out, status_error_name(STATUS_INVALID_PARAMETER));
	json_write_key(out, "parameter");
	json_write_cstring(out, fault->parameter);
	json_write_key(out, "expected");
	json_write_cstring(out, fault->expected);
	varlink_error_end(out);
}

void varlink_call_begin(struct json_writer *out, const char *method, enum varlink_flag flag)
{
	json_write_bytes(out, "{\"method\":", 10);
	json_write_cstring(out, method);
	if (flag == VARLINK_MORE)
		json_write_bytes(out, ",\"more\":true", 12);
	json_write_bytes(out, ",\"parameters\":{", 15);
}

void varlink_call_end(struct json_writer *out)
{
	json_write_bytes(out, "}", 1);
	end_message(out);
}

/* ---- serving ---- */

struct get_description_call {
	struct message_text interface;
};

static const struct message_field get_description_fields[] = {
	{MESSAGE_NAME("interface"), .kind = FIELD_STRING, .is_required = true,
		.offset = offsetof(struct get_description_call, interface)},
};
static const struct message get_description_in = {"GetInterfaceDescription.in",
	sizeof(struct get_description_call), get_description_fields, 1};
static const struct message get_info_in = {"GetInfo.in", 0, NULL, 0};

static const char service_description[] =
	"# The interface that every Varlink service has\n"
	"interface org.varlink.service\n"
	"\n"
	"# Who serves here, and which interfaces\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n"
	"  product: string,\n"
	"  version: string,\n"
	"  url: string,\n"
	"  interfaces: []string\n"
	")\n"
	"\n"
	"# The text of an interface\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"\n"
	"# The interface is not served here\n"
	"error InterfaceNotFound (interface: string)\n"
	"\n"
	"# The interface has no such method\n"
	"error MethodNotFound (method: string)\n"
	"\n"
	"# The method is not offered by this service\n"
	"error MethodNotImplemented (method: string)\n"
	"\n"
	"# A parameter is missing, unknown or wrong\n"
	"error InvalidParameter (parameter: string)\n"
	"\n"
	"# The caller may not do this\n"
	"error PermissionDenied ()\n"
	"\n"
	"# The method must be called with more\n"
	"error ExpectedMore ()\n"
	"\n"
	"# The method must be called with upgrade\n"
	"error ExpectedUpgrade ()\n";

static void error_with_text(
	struct json_writer *out, int status, const char *key, const char *text, size_t length)
{
	varlink_error_begin(out, status_error_name(status));
	json_write_key(out, key);
	json_write_string(out, text, length);
	varlink_error_end(out);
}

static void serve_get_info(const struct varlink_service *service, struct json_writer *out)
{
	const char *const texts[][2] = {{"vendor", service->vendor}, {"product", service->product},
		{"version", service->version}, {"url", service->url}};

	varlink_reply_begin(out);
	for (size_t i = 0; i < 4; i++) {
		json_write_key(out, texts[i][0]);
		json_write_cstring(out, texts[i][1]);
	}
	json_write_key(out, "interfaces");
	json_write_array_begin(out);
	json_write_cstring(out, VARLINK_INTERFACE);
	for (size_t i = 0; i < service->n_interfaces; i++)
		json_write_cstring(out, service->interfaces[i]->name);
	json_write_array_end(out);
	varlink_reply_end(out, false);
}

/* NAME is not NUL-ended, and has no NUL in it. Most candidates differ in the first letter. */
static bool is_name(const char *candidate, const char *name, size_t length)
{
	return length > 0 && *candidate == *name && strncmp(candidate, name, length) == 0 &&
	       candidate[length] == '\0';
}

static const struct varlink_interface *find_interface(
	const struct varlink_service *service, const char *name, size_t length)
{
	for (size_t i = 0; i < service->n_interfaces; i++)
		if (is_name(service->interfaces[i]->name, name, length))
			return service->interfaces[i];
	return NULL;
}

static bool is_service_interface(const char *name, size_t length)
{
	return length == strlen(VARLINK_INTERFACE) && memcmp(name, VARLINK_INTERFACE, length) == 0;
}

static void write_description(struct json_writer *out, const char *text)
{
	varlink_reply_begin(out);
	json_write_key(out, "description");
	json_write_cstring(out, text);
	varlink_reply_end(out, false);
}

static void serve_get_description(const struct varlink_service *service,
	const struct varlink_call *call, struct json_writer *out)
{
	char buffer[VARLINK_METHOD_MAX];
	struct message_scratch scratch = {buffer, sizeof(buffer)};
	struct get_description_call in;
	struct varlink_fault fault;
	const struct varlink_interface *interface;

	if (message_decode(&get_description_in, &call->parameters, MESSAGE_REFUSE_UNKNOWN, &scratch,
		    &in, &fault)) {
		varlink_invalid_parameter(out, &fault);
		return;
	}
	if (is_service_interface(in.interface.text, in.interface.length)) {
		write_description(out, service_description);
		return;
	}
	interface = find_interface(service, in.interface.text, in.interface.length);
	if (interface)
		write_description(out, interface->description);
	else
		error_with_text(out, STATUS_INTERFACE_NOT_FOUND, "interface", in.interface.text,
			in.interface.length);
}

static void method_not_found(const struct varlink_call *call, struct json_writer *out)
{
	error_with_text(out, STATUS_METHOD_NOT_FOUND, "method", call->method, call->method_length);
}

static void serve_standard(const struct varlink_service *service, const struct varlink_call *call,
	const char *name, size_t length, struct json_writer *out)
{
	struct message_scratch scratch = {NULL, 0};
	struct varlink_fault fault;
	char nothing;

	if (length == 23 && memcmp(name, "GetInterfaceDescription", 23) == 0)
		serve_get_description(service, call, out);
	else if (length != 7 || memcmp(name, "GetInfo", 7) != 0)
		method_not_found(call, out);
	else if (message_decode(&get_info_in, &call->parameters, MESSAGE_REFUSE_UNKNOWN, &scratch,
			 &nothing, &fault))
		varlink_invalid_parameter(out, &fault);
	else
		serve_get_info(service, out);
}

static const struct varlink_method *find_method(
	const struct varlink_interface *interface, const char *name, size_t length)
{
	for (size_t i = 0; i < interface->n_methods; i++)
		if (is_name(interface->methods[i].name, name, length))
			return &interface->methods[i];
	return NULL;
}

static void serve_method(const struct varlink_service *service, void *context,
	const struct varlink_call *call, struct json_writer *out)
{
	const char *dot = memrchr(call->method, '.', call->method_length);
	size_t interface_length = dot ? (size_t)(dot - call->method) : call->method_length;
	size_t name_length = dot ? call->method_length - interface_length - 1 : 0;
	const struct varlink_interface *interface;
	const struct varlink_method *method;

	if (call->upgrade) { /* offered by no method */
		error_with_text(out, STATUS_METHOD_NOT_IMPLEMENTED, "method", call->method,
			call->method_length);
		return;
	}
	if (dot && is_service_interface(call->method, interface_length)) {
		serve_standard(service, call, dot + 1, name_length, out);
		return;
	}
	interface = find_interface(service, call->method, interface_length);
	if (!dot || !interface) {
		error_with_text(out, STATUS_INTERFACE_NOT_FOUND, "interface", call->method,
			interface_length);
		return;
	}
	method = find_method(interface, dot + 1, name_length);
	if (method)
		method->handle(context, method, call, out);
	else
		method_not_found(call, out);
}

void varlink_serve(const struct varlink_service *service, void *context,
	const struct varlink_call *call, struct json_writer *out)
{
	size_t start = out->length;

	serve_method(service, context, call, out);
	if (call->oneway && !json_writer_failed(out))
		json_writer_truncate(out, start);
}
