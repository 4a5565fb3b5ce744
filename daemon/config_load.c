/* SPDX-License-Identifier: MIT */
#include "daemon/config.h"

#include "daemon/config_keys.h"
#include "daemon/config_value.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define EXPECTED_LINE "expected [section], key = value, or a comment"
#define BLANK         " \t\r\n\v\f"

enum section { SECTION_NONE, SECTION_BROKER, SECTION_POOL };

/* One load: the settings as they grow, where we are, and the first error. */
struct loader {
	struct config *config;
	bool has_reserved_connections; /* else they follow max_connections */
	const char *file;
	FILE *stream;
	int line;
	enum section section;
	size_t pool; /* index in config->pools */
	int error;   /* 0 or a negated errno: the first one, with its message */
	char *message;
	size_t size;
};

/* ---- what is wrong, and where ---- */

static void __attribute__((format(printf, 4, 0)))
say(struct loader *loader, int error, const char *where, const char *format, va_list args)
{
	int used;

	if (loader->error)
		return;
	loader->error = error;
	used = snprintf(loader->message, loader->size, "%s: ", where);
	if (used >= 0 && (size_t)used < loader->size)
		vsnprintf(loader->message + used, loader->size - (size_t)used, format, args);
}

/* About WHERE: a file, or "FILE:LINE". */
static void __attribute__((format(printf, 4, 5)))
fail_at(struct loader *loader, const char *where, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(loader, error, where, format, args);
	va_end(args);
}

/* The message for this is there from the start. */
static void fail_memory(struct loader *loader)
{
	if (!loader->error)
		loader->error = -ENOMEM;
}

/* The line that is being read, in place of what *WHERE holds. */
static int remember_place(const struct loader *loader, char **where)
{
	char *place;

	if (asprintf(&place, "%s:%d", loader->file, loader->line) < 0)
		return -ENOMEM;
	free(*where);
	*where = place;
	return 0;
}

/* About the line that is being read. */
static void __attribute__((format(printf, 3, 4)))
fail(struct loader *loader, int error, const char *format, ...)
{
	char *where = NULL;
	va_list args;

	va_start(args, format);
	if (remember_place(loader, &where) == 0)
		say(loader, error, where, format, args);
	else
		fail_memory(loader);
	va_end(args);
	free(where);
}

/* ---- sections ---- */

static struct config_pool *find_pool(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_pools; i++)
		if (strcmp(config->pools[i].name, name) == 0)
			return &config->pools[i];
	return NULL;
}

static struct config_pool *add_pool(struct config *config, const char *name)
{
	struct config_pool *pools =
		reallocarray(config->pools, config->n_pools + 1, sizeof(*pools));

	if (!pools)
		return NULL;
	config->pools = pools;
	pools += config->n_pools++;
	*pools = (struct config_pool){.settings = pool_settings_builtin};
	memcpy(pools->name, name, strlen(name) + 1);
	return pools;
}

static void begin_pool(struct loader *loader, const char *name)
{
	struct config_pool *pool;

	name += strspn(name, BLANK);
	if (!pool_name_is_valid(name, strlen(name))) {
		fail(loader, -EINVAL,
			"expected [pool NAME] with a name of 1 to %d letters, digits, '.', '_' or "
			"'-' that begins with a letter or digit",
			POOL_NAME_MAX);
		return;
	}
	pool = find_pool(loader->config, name);
	if (!pool)
		pool = add_pool(loader->config, name);
	if (!pool) {
		fail_memory(loader);
		return;
	}
	loader->section = SECTION_POOL;
	loader->pool = (size_t)(pool - loader->config->pools);
}

/* TEXT, without the blanks around it. */
static char *trim(char *text)
{
	size_t length;

	text += strspn(text, BLANK);
	length = strlen(text);
	while (length > 0 && strchr(BLANK, text[length - 1]))
		text[--length] = '\0';
	return text;
}

/* Sections are taken from the line itself: inih cuts long names silently, takes anything behind the
 * bracket, and does not tell of a section without keys, which is how a pool with all defaults
 * looks.
 */
static void begin_section(struct loader *loader, char *line)
{
	char *end = strchr(line, ']');
	char *name, *rest;

	loader->section = SECTION_NONE;
	if (!end) {
		fail(loader, -EINVAL, EXPECTED_LINE);
		return;
	}
	*end = '\0';
	name = trim(line + 1);
	rest = trim(end + 1);
	if (rest[0] && rest[0] != ';')
		fail(loader, -EINVAL, "expected nothing but a ; comment after [%s], not \"%s\"",
			name, rest);
	else if (strcmp(name, "broker") == 0)
		loader->section = SECTION_BROKER;
	else if (strncmp(name, "pool", 4) == 0 && (!name[4] || strchr(BLANK, name[4])))
		begin_pool(loader, name + 4);
	else
		fail(loader, -EINVAL, "expected [broker] or [pool NAME], not [%s]", name);
}

/* ---- keys ---- */

static void fail_unknown_key(struct loader *loader, const char *name)
{
	bool is_pool = loader->section == SECTION_POOL;
	const struct config_key *keys = is_pool ? pool_keys : broker_keys;
	size_t n = is_pool ? n_pool_keys : n_broker_keys;
	const char *section = is_pool ? "pool" : "broker";
	char expected[400];

	if (is_pool ? config_find_key(broker_keys, n_broker_keys, name)
		    : config_find_key(pool_keys, n_pool_keys, name))
		snprintf(expected, sizeof(expected), "it in %s",
			is_pool ? "[broker]" : "[pool NAME]");
	else
		config_suggest_key(keys, n, name, expected, sizeof(expected));
	fail(loader, -EINVAL, "unknown key \"%s\" in [%s]: expected %s", name, section, expected);
}

/* KEY has been set: what the rules between keys need to know. */
static int note_key(struct loader *loader, const struct config_key *key, struct config_pool *pool)
{
	if (!key->is_bound)
		return 0;
	if (pool && strcmp(key->name, "default_timeout") == 0)
		pool->has_default_timeout = true;
	if (strcmp(key->name, "reserved_connections") == 0)
		loader->has_reserved_connections = true;
	return remember_place(loader, pool ? &pool->where : &loader->config->where);
}

static void set_key(struct loader *loader, const char *name, const char *value)
{
	bool is_pool = loader->section == SECTION_POOL;
	const struct config_key *key = is_pool ? config_find_key(pool_keys, n_pool_keys, name)
					       : config_find_key(broker_keys, n_broker_keys, name);
	struct config_pool *pool = is_pool ? &loader->config->pools[loader->pool] : NULL;
	char wrong[400];
	int r;

	if (!key) {
		fail_unknown_key(loader, name);
		return;
	}
	r = config_value_parse(
		key, value, pool ? (void *)&pool->settings : loader->config, wrong, sizeof(wrong));
	if (r == -EINVAL)
		fail(loader, r, "%s: %s", name, wrong);
	else if (r < 0 || note_key(loader, key, pool) < 0)
		fail_memory(loader);
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct loader *loader = user;

	(void)section;
	if (loader->error)
		return 0;
	if (loader->section == SECTION_NONE)
		fail(loader, -EINVAL, "expected [broker] or [pool NAME] before \"%s\"", name);
	else
		set_key(loader, name, value);
	return !loader->error;
}

/* ---- files ---- */

/* An indented line is no continuation of the one before, as it would be to inih. */
static void strip_start(char *line, bool is_first)
{
	static const char bom[] = "\xef\xbb\xbf";
	size_t start = is_first && strncmp(line, bom, strlen(bom)) == 0 ? strlen(bom) : 0;

	start += strspn(line + start, " \t");
	memmove(line, line + start, strlen(line + start) + 1);
}

static bool is_comment(const char *line)
{
	return line[0] == '#' || line[0] == ';';
}

/* Only comments may be longer than the parser's buffer. */
static void skip_line(FILE *stream)
{
	int c;

	do
		c = getc(stream);
	while (c != '\n' && c != EOF);
}

static char *read_line(char *line, int size, void *user)
{
	struct loader *loader = user;
	bool is_whole, is_long;
	size_t length;

	if (loader->error || !fgets(line, size, loader->stream))
		return NULL;
	loader->line++;
	length = strlen(line);
	is_whole = (length > 0 && line[length - 1] == '\n') || feof(loader->stream);
	is_long = !is_whole && length == (size_t)size - 1; /* else a NUL hides the rest */
	strip_start(line, loader->line == 1);
	if (!is_whole && !(is_long && is_comment(line))) {
		fail(loader, -EINVAL, "expected a line of at most %d bytes without NUL", size - 2);
		return NULL;
	}
	if (is_long)
		skip_line(loader->stream);
	if (line[0] == '[')
		begin_section(loader, line);
	if (line[0] == '[' || is_comment(line))
		line[0] = '\0'; /* nothing is left for inih */
	return line;
}

/* R is inih's result: the first line that it did not understand or the handler refused. */
static void check_parsed(struct loader *loader, int r)
{
	if (ferror(loader->stream)) {
		fail_at(loader, loader->file, -EIO, "cannot be read");
	} else if (r < 0) {
		fail_memory(loader);
	} else if (r > 0 && (!loader->error || r < loader->line)) {
		loader->error = 0;
		loader->line = r;
		fail(loader, -EINVAL, EXPECTED_LINE);
	}
}

static void load_file(struct loader *loader, const char *path, bool is_required)
{
	loader->file = path;
	loader->line = 0;
	loader->section = SECTION_NONE;
	loader->stream = fopen(path, "re");
	if (!loader->stream) {
		if (errno != ENOENT || is_required)
			fail_at(loader, path, -errno, "%s", strerror(errno));
		return;
	}
	check_parsed(loader, ini_parse_stream(read_line, loader, on_key, loader));
	fclose(loader->stream);
}

static int is_drop_in(const struct dirent *entry)
{
	const char *suffix = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && suffix && strcmp(suffix, ".conf") == 0;
}

/* By bytes: the order must not depend on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_drop_in(struct loader *loader, const char *directory, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", directory, name) < 0) {
		fail_memory(loader);
		return;
	}
	load_file(loader, path, true);
	free(path);
}

/* A directory that cannot be read is an error: settings must not be skipped in silence. */
static void load_drop_ins(struct loader *loader, const char *path)
{
	struct dirent **found = NULL;
	char *directory;
	int n;

	if (asprintf(&directory, "%s.d", path) < 0) {
		fail_memory(loader);
		return;
	}
	n = scandir(directory, &found, is_drop_in, by_name);
	if (n < 0 && errno != ENOENT)
		fail_at(loader, directory, -errno, "%s", strerror(errno));
	for (int i = 0; i < n; i++) {
		if (!loader->error)
			load_drop_in(loader, directory, found[i]->d_name);
		free(found[i]);
	}
	free(found);
	free(directory);
}

/* ---- the whole ---- */

/* What was not set follows what was. */
static void resolve(struct loader *loader)
{
	struct config *config = loader->config;

	if (!loader->has_reserved_connections &&
		config->reserved_connections > config->max_connections / 2)
		config->reserved_connections = config->max_connections / 2;
	for (size_t i = 0; i < config->n_pools; i++) {
		struct config_pool *pool = &config->pools[i];

		if (!pool->has_default_timeout)
			pool->settings.default_timeout_ms = pool->settings.max_timeout_ms;
	}
}

static void check_pool(struct loader *loader, const struct config_pool *pool)
{
	const struct pool_settings *s = &pool->settings;

	if (s->max_timeout_ms < 0 ||
		(s->default_timeout_ms >= 0 && s->default_timeout_ms <= s->max_timeout_ms))
		return;
	fail_at(loader, pool->where, -EINVAL,
		"expected a default_timeout of at most max_timeout in [pool %s]", pool->name);
}

/* The rules between keys. Where one is broken, one of its keys has been set: there is a place. */
static void check(struct loader *loader)
{
	const struct config *config = loader->config;

	if (config->reserved_connections >= config->max_connections)
		fail_at(loader, config->where, -EINVAL,
			"expected reserved_connections, %" PRId64
			", to be less than max_connections, %" PRId64,
			config->reserved_connections, config->max_connections);
	for (size_t i = 0; i < config->n_pools; i++)
		check_pool(loader, &config->pools[i]);
}

static int compare_pools(const void *a, const void *b)
{
	return strcmp(((const struct config_pool *)a)->name, ((const struct config_pool *)b)->name);
}

int config_load(const char *path, bool is_required, struct config **ret, char *message, size_t size)
{
	struct loader loader = {.config = config_new(), .message = message, .size = size};

	snprintf(message, size, "%s", strerror(ENOMEM));
	if (!loader.config)
		return -ENOMEM;
	load_file(&loader, path, is_required);
	if (!loader.error)
		load_drop_ins(&loader, path);
	if (!loader.error) {
		resolve(&loader);
		check(&loader);
	}
	if (loader.error) {
		config_unref(loader.config);
		return loader.error;
	}
	if (loader.config->n_pools)
		qsort(loader.config->pools, loader.config->n_pools, sizeof(struct config_pool),
			compare_pools);
	*ret = loader.config;
	return 0;
}
