/* SPDX-License-Identifier: MIT */
/* Makes the first texts for the targets that read what the daemon writes: seeds DIRECTORY. To be
 * run again when a format has grown; what it writes goes to corpus/handoff and corpus/records. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/handoff_records.h"
#include "daemon/record.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"

#define PORTION 16

static int clients[HOST_CLIENTS];

static FILE *create(const char *directory, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "wb");
	REQUIRE(file != NULL);
	return file;
}

/* ---- a server with something of everything ---- */

static void say(unsigned client, const char *method, const char *parameters)
{
	char text[1024];
	int n = snprintf(text, sizeof(text),
		"{\"method\":\"io.usher.Broker.%s\",\"parameters\":{%s},\"more\":true}", method,
		parameters);

	REQUIRE(write(clients[client], text, (size_t)n + 1) == n + 1);
	host_turn();
}

static void fill(void)
{
	for (unsigned i = 0; i < HOST_CLIENTS; i++)
		clients[i] = host_connect(i);
	say(0, "SetPool", "\"pool\":\"p\",\"limit\":2,\"on_timeout\":\"hold\",\"max_waiters\":9");
	say(0, "Pause", "\"pool\":\"default\",\"reason\":\"why\",\"for_ms\":1000000");
	say(1, "Create", "\"pool\":\"p\",\"request_id\":\"r\",\"timeout_ms\":50000");
	say(1, "Create", "\"pool\":\"p\",\"owner\":\"process\",\"label\":\"l\"");
	say(0, "Resume", "");
	say(1, "Create", "\"owner\":\"detached\",\"units\":3,\"metadata\":{\"a\":1}");
	say(2, "Create", "\"pool\":\"p\",\"wait_ms\":900000,\"priority\":3,\"label\":\"l\"");
	say(0, "Create", "\"request_id\":\"gone\"");
	say(0, "Cancel", "\"request_id\":\"none\"");
	say(3, "Monitor", "\"where\":{\"pool\":\"p\"}");
}

/* ---- its description ---- */

static void spell_byte(unsigned char byte, FILE *out)
{
	if (strchr("<>\\!", byte) && byte)
		fputc('\\', out);
	fputc(byte, out);
}

static bool is_record(const struct pack_field *field)
{
	struct pack_reader inner = pack_inner(field);
	struct pack_field unused;
	int r;

	while ((r = pack_next(&inner, &unused)) > 0)
		if (unused.tag == 0 || unused.tag > 255)
			return false;
	return r == 0 && field->length > 0;
}

static void spell(struct pack_reader record, FILE *out)
{
	struct pack_field field;

	while (pack_next(&record, &field) > 0) {
		fprintf(out, "<%c", field.tag);
		if (is_record(&field))
			spell(pack_inner(&field), out);
		else
			for (size_t i = 0; i < field.length; i++)
				spell_byte(field.bytes[i], out);
		fputc('>', out);
	}
}

static void write_description(FILE *out)
{
	struct packer packer;

	REQUIRE(packer_init(&packer, &host_server) == 0);
	packer_write_broker(&packer, false);
	packer_write_table(&packer);
	packer_write_pools(&packer);
	packer_write_conns(&packer);
	packer_write_sessions(&packer);
	packer_write_ended(&packer);
	pack_end(&packer.out, pack_begin(&packer.out, HANDOFF_END));
	spell(pack_reader_of(packer.out.data, packer.out.length), out);
	packer_deinit(&packer);
	fclose(out);
}

/* ---- its records ---- */

static void write_record(const char *mark, void *bytes, size_t size, FILE *out)
{
	REQUIRE(fputs(mark, out) >= 0 && fwrite(bytes, 1, size, out) == size);
	free(bytes);
}

static void *room(size_t size)
{
	void *bytes = malloc(size);

	REQUIRE(bytes != NULL);
	return bytes;
}

static void write_table(const struct table *table, FILE *out)
{
	const struct record_totals totals = {0};
	struct saved_table saved;
	void *bytes;

	table_save_globals(table, &saved);
	bytes = room(record_table_size(&saved));
	record_table(&saved, &totals, bytes);
	write_record("<t>", bytes, record_table_size(&saved), out);
	saved_table_deinit(&saved);
}

static void write_marked(struct table *table, FILE *out)
{
	struct saved_session sessions[PORTION];
	struct saved_pool pools[PORTION];
	size_t n_pools = table_take_dirty_pools(table, pools, PORTION);
	size_t n_sessions = table_take_dirty_sessions(table, sessions, PORTION);

	for (size_t i = 0; i < n_pools; i++) {
		void *bytes = room(record_pool_size(&pools[i]));

		record_pool(&pools[i], bytes);
		write_record("<p>", bytes, record_pool_size(&pools[i]), out);
		saved_pool_deinit(&pools[i]);
	}
	for (size_t i = 0; i < n_sessions; i++) {
		void *bytes = room(record_session_size(&sessions[i]));

		record_session(&sessions[i], bytes);
		write_record("<s>", bytes, record_session_size(&sessions[i]), out);
		saved_session_deinit(&sessions[i]);
	}
}

static void write_records(FILE *out)
{
	struct section section;

	broker_enter(host_server.broker, &section);
	table_keep_changes(section.table);
	table_mark_everything(section.table);
	write_table(section.table, out);
	write_marked(section.table, out);
	broker_leave(&section);
	fclose(out);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: seeds DIRECTORY\n", stderr);
		return 2;
	}
	host_init("[broker]\nlog_level = err\n");
	host_begin();
	fill();
	write_description(create(argv[1], "handoff-something-of-everything"));
	write_records(create(argv[1], "records-something-of-everything"));
	host_end();
	return 0;
}
