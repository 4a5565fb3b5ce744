/* SPDX-License-Identifier: MIT */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "daemon/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

static const char *const key_names[LOG_KEY_COUNT] = {
	[LOG_USHER_SESSION] = "USHER_SESSION",
	[LOG_USHER_POOL] = "USHER_POOL",
	[LOG_USHER_OUTCOME] = "USHER_OUTCOME",
	[LOG_USHER_ACTOR] = "USHER_ACTOR",
	[LOG_MESSAGE_ID] = "MESSAGE_ID",
};

static atomic_int log_level = LOG_INFO;
static bool is_journal;

void log_set_level(int level)
{
	atomic_store(&log_level, level);
}

/* systemd.exec(5): JOURNAL_STREAM names device and inode of the stream that stderr was connected
 * to; if stderr is that one still, the journal reads it. */
void log_open(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat st;

	is_journal = stream && sscanf(stream, "%" SCNuMAX ":%" SCNuMAX, &device, &inode) == 2 &&
		     fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

/* Bytes of what is treacherous at AT, 0 if it is not: control characters, which could forge lines
 * or steer a terminal, those of C1 too (U+0080 on), and what is invisible or turns the direction of
 * the text: U+200B to U+200F, U+2028 to U+202E, U+2066 to U+2069. */
static unsigned treacherous_bytes(const unsigned char *at)
{
	if (at[0] < 0x20 || at[0] == 0x7f)
		return 1;
	if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0)
		return 2;
	if (at[0] == 0xe2 && at[1] == 0x80 &&
		((at[2] >= 0x8b && at[2] <= 0x8f) || (at[2] >= 0xa8 && at[2] <= 0xae)))
		return 3;
	return at[0] == 0xe2 && at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9 ? 3 : 0;
}

/* They are shown as \xNN, each byte of them: the later ones of a character are C1 controls to a
 * terminal that does not speak UTF-8. */
static void escape(const char *from, char *to, size_t size)
{
	size_t used = 0;
	unsigned left = 0;

	for (; *from && used + 5 < size; from++) {
		unsigned char c = (unsigned char)*from;

		if (!left)
			left = treacherous_bytes((const unsigned char *)from);
		if (!left)
			to[used++] = (char)c;
		else
			used += (size_t)snprintf(to + used, size - used, "\\x%02x", c);
		left -= left > 0;
	}
	to[used] = '\0';
}

static void write_stderr(const char *text)
{
	char line[2048];
	int length = snprintf(line, sizeof(line), "usherd: %s\n", text);

	/* One write a line, so that lines of several threads do not mix. */
	if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
		return; /* nowhere left to say it */
}

static void write_journal(int priority, const struct log_field *fields, size_t n, const char *text)
{
	struct iovec entry[2 + LOG_KEY_COUNT];
	char storage[2 + LOG_KEY_COUNT][2048];
	int count = 0;

	snprintf(storage[0], sizeof(storage[0]), "MESSAGE=%s", text);
	snprintf(storage[1], sizeof(storage[1]), "PRIORITY=%d", priority);
	count = 2;
	for (size_t i = 0; i < n && count < 2 + LOG_KEY_COUNT; i++)
		if (fields[i].value)
			snprintf(storage[count++], sizeof(storage[0]), "%s=%s",
				key_names[fields[i].key], fields[i].value);
	for (int i = 0; i < count; i++)
		entry[i] = (struct iovec){storage[i], strlen(storage[i])};
	if (sd_journal_sendv(entry, count) < 0)
		write_stderr(text);
}

void log_entry(int priority, const struct log_field *fields, size_t n, const char *format, ...)
{
	char raw[1024], text[2000];
	va_list args;

	if (priority > atomic_load(&log_level))
		return;
	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	escape(raw, text, sizeof(text));
	if (is_journal)
		write_journal(priority, fields, n, text);
	else
		write_stderr(text);
}
