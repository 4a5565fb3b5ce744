/* SPDX-License-Identifier: MIT */
#include "daemon/config.h"

#include "daemon/config_keys.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPECTED_LINE "expected [section], key = value, or a comment"

enum section { SECTION_NONE, SECTION_BROKER, SECTION_POOL };

/* One load: the settings as they grow, where we are, and the first error. */
struct loader {
	struct config *config;
	const char *file;
	FILE *stream;
	int line;
	enum section section;
	size_t pool; /* index in config->pools */
	int error;   /* 0 or a negated errno: the first one, with its message */
	char *message;
	size_t size;
};

static void __attribute__((format(printf, 3, 4)))
fail(struct loader *loader, int error, const char *format, ...)
{
	va_list args;
	int used;

	if (loader->error)
		return;
	loader->error = error;
	used = snprintf(loader->message, loader->size, "%s:%d: ", loader->file, loader->line);
	if (used < 0 || (size_t)used >= loader->size)
		return;
	va_start(args, format);
	vsnprintf(loader->message + used, loader->size - (size_t)used, format, args);
	va_end(args);
}

/* ---- sections and keys ---- */

static int find_or_add_pool(struct loader *loader, const char *name)
{
	struct config *config = loader->config;
	struct config_pool *pools;

	for (size_t i = 0; i < config->n_pools; i++)
		if (strcmp(config->pools[i].name, name) == 0)
			return (int)i;
	pools = reallocarray(config->pools, config->n_pools + 1, sizeof(*pools));
	if (!pools)
		return -ENOMEM;
	config->pools = pools;
	pools += config->n_pools;
	*pools = (struct config_pool){.settings = pool_settings_builtin};
	memcpy(pools->name, name, strlen(name) + 1);
	if (asprintf(&pools->where, "%s:%d", loader->file, loader->line) < 0)
		return -ENOMEM;
	return (int)config->n_pools++;
}

static void begin_pool(struct loader *loader, char *name)
{
	int index;

	while (isspace((unsigned char)*name))
		name++;
	if (!pool_name_is_valid(name, strlen(name))) {
		fail(loader, -EINVAL,
			"expected [pool NAME] with a name of 1 to %d letters, digits, '.', '_' or "
			"'-' "
			"that begins with a letter or digit",
			POOL_NAME_MAX);
		return;
	}
	index = find_or_add_pool(loader, name);
	if (index < 0) {
		fail(loader, index, "%s", strerror(-index));
		return;
	}
	loader->section = SECTION_POOL;
	loader->pool = (size_t)index;
}

/* Sections are taken from the line itself: inih cuts long names silently and does not tell of a
 * section without keys, which is how a pool with all defaults looks. */
static void begin_section(struct loader *loader, const char *line)
{
	const char *end = strchr(line, ']');
	char name[256];
	size_t length = end ? (size_t)(end - line - 1) : 0;

	if (!end) {
		fail(loader, -EINVAL, EXPECTED_LINE);
		return;
	}
	if (length >= sizeof(name))
		length = sizeof(name) - 1;
	memcpy(name, line + 1, length);
	while (length > 0 && isspace((unsigned char)name[length - 1]))
		length--;
	name[length] = '\0';
	loader->section = SECTION_NONE;
	if (strcmp(name, "broker") == 0)
		loader->section = SECTION_BROKER;
	else if (strncmp(name, "pool", 4) == 0 &&
		 (name[4] == '\0' || isspace((unsigned char)name[4])))
		begin_pool(loader, name + 4);
	else
		fail(loader, -EINVAL, "expected [broker] or [pool NAME], not [%s]", name);
}

static void set_key(struct loader *loader, const char *name, const char *value)
{
	bool is_pool = loader->section == SECTION_POOL;
	const struct config_key *key = is_pool ? config_find_key(pool_keys, n_pool_keys, name)
					       : config_find_key(broker_keys, n_broker_keys, name);
	struct config_pool *pool = is_pool ? &loader->config->pools[loader->pool] : NULL;
	char expected[256];
	int r;

	if (!key) {
		fail(loader, -EINVAL, "unknown key \"%s\" in [%s]", name,
			is_pool ? "pool" : "broker");
		return;
	}
	r = config_key_parse(key, value, is_pool ? (void *)&pool->settings : loader->config,
		expected, sizeof(expected));
	if (r == -ENOMEM)
		fail(loader, r, "%s", strerror(ENOMEM));
	else if (r < 0)
		fail(loader, r, "%s: expected %s, not \"%s\"", name, expected, value);
	else if (pool && strcmp(name, "default_timeout") == 0)
		pool->has_default_timeout = true;
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
static void strip_indent(char *line)
{
	size_t indent = strspn(line, " \t");

	memmove(line, line + indent, strlen(line + indent) + 1);
}

static char *read_line(char *line, int size, void *user)
{
	struct loader *loader = user;
	size_t length;

	if (loader->error || !fgets(line, size, loader->stream))
		return NULL;
	loader->line++;
	length = strlen(line);
	if ((length == 0 || line[length - 1] != '\n') && !feof(loader->stream)) {
		fail(loader, -EINVAL, "expected a line of at most %d bytes without NUL", size - 2);
		return NULL;
	}
	strip_indent(line);
	if (line[0] == '[')
		begin_section(loader, line);
	return line;
}

static void load_file(struct loader *loader, const char *path, bool is_required)
{
	int r;

	loader->file = path;
	loader->line = 0;
	loader->section = SECTION_NONE;
	loader->stream = fopen(path, "re");
	if (!loader->stream) {
		if (errno != ENOENT || is_required) {
			loader->error = -errno;
			snprintf(loader->message, loader->size, "%s: %s", path, strerror(errno));
		}
		return;
	}
	r = ini_parse_stream(read_line, loader, on_key, loader);
	if (ferror(loader->stream))
		fail(loader, -EIO, "cannot be read");
	if (r > 0 && !loader->error) {
		loader->line = r;
		fail(loader, -EINVAL, EXPECTED_LINE);
	} else if (r < 0) {
		fail(loader, -ENOMEM, "%s", strerror(ENOMEM));
	}
	fclose(loader->stream);
}

/* Drop-ins in the order of their names. A directory that cannot be read is an error, not silence.
 */
static void load_drop_ins(struct loader *loader, const char *path)
{
	char *pattern = NULL;
	glob_t found;
	int r;

	if (asprintf(&pattern, "%s.d/*.conf", path) < 0) {
		loader->error = -ENOMEM;
		return;
	}
	r = glob(pattern, 0, NULL, &found);
	free(pattern);
	if (r == GLOB_NOMATCH) {
		globfree(&found);
		return;
	}
	if (r != 0) {
		loader->error = r == GLOB_NOSPACE ? -ENOMEM : -EIO;
		snprintf(loader->message, loader->size, "%s.d: cannot be read", path);
		return;
	}
	for (size_t i = 0; i < found.gl_pathc && !loader->error; i++)
		load_file(loader, found.gl_pathv[i], true);
	globfree(&found);
}

/* ---- the whole ---- */

static struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	atomic_init(&config->references, 1);
	config->socket_mode = geteuid() == 0 ? 0660 : 0600;
	config->admin_gid = (gid_t)-1;
	config->log_level = 6;
	config->runtime_changes = true;
	config->max_message_bytes = 64 << 10;
	config->max_depth = 32;
	config->max_connections = 4096;
	config->max_connections_per_uid = 1024;
	config->reserved_connections = 64;
	config->max_pipelined = 16;
	config->max_output_bytes = 256 << 10;
	config->io_timeout_ms = 30000;
	config->frame_timeout_ms = 30000;
	config->history = 1000;
	return config;
}

static int compare_pools(const void *a, const void *b)
{
	return strcmp(((const struct config_pool *)a)->name, ((const struct config_pool *)b)->name);
}

/* Rules between keys, and what has to be looked up once. */
static void check_pool(struct loader *loader, const struct config_pool *pool)
{
	const struct pool_settings *s = &pool->settings;

	if (loader->error || !pool->has_default_timeout || s->max_timeout_ms < 0)
		return;
	if (s->default_timeout_ms >= 0 && s->default_timeout_ms <= s->max_timeout_ms)
		return;
	loader->error = -EINVAL;
	snprintf(loader->message, loader->size,
		"%s: expected a default_timeout of at most max_timeout in [pool %s]", pool->where,
		pool->name);
}

static void check(struct loader *loader)
{
	struct config *config = loader->config;
	struct group *group;

	for (size_t i = 0; i < config->n_pools; i++)
		check_pool(loader, &config->pools[i]);
	if (loader->error || !config->admin_group)
		return;
	group = getgrnam(config->admin_group);
	if (group) {
		config->admin_gid = group->gr_gid;
		return;
	}
	loader->error = -EINVAL;
	snprintf(loader->message, loader->size,
		"admin_group: expected the name of a group of this system, not \"%s\"",
		config->admin_group);
}

int config_load(const char *path, bool is_required, struct config **ret, char *message, size_t size)
{
	struct loader loader = {.config = config_new(), .message = message, .size = size};

	if (!loader.config)
		return -ENOMEM;
	snprintf(message, size, "%s", strerror(ENOMEM));
	load_file(&loader, path, is_required);
	if (!loader.error)
		load_drop_ins(&loader, path);
	if (!loader.error)
		check(&loader);
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

struct config *config_ref(struct config *config)
{
	atomic_fetch_add_explicit(&config->references, 1, memory_order_relaxed);
	return config;
}

struct config *config_unref(struct config *config)
{
	if (!config || atomic_fetch_sub_explicit(&config->references, 1, memory_order_acq_rel) != 1)
		return NULL;
	for (size_t i = 0; i < config->n_pools; i++)
		free(config->pools[i].where);
	free(config->pools);
	free(config->socket);
	free(config->socket_group);
	free(config->admin_group);
	free(config);
	return NULL;
}

size_t config_frame_limit(const struct config *config, uint32_t largest_metadata)
{
	size_t with_metadata = (size_t)largest_metadata + 8192; /* the rest of a Create */

	return with_metadata > (size_t)config->max_message_bytes
		       ? with_metadata
		       : (size_t)config->max_message_bytes;
}

void config_print(const struct config *config, FILE *to)
{
	fprintf(to, "[broker]\n");
	for (size_t i = 0; i < n_broker_keys; i++)
		config_key_print(&broker_keys[i], config, to);
	for (size_t p = 0; p < config->n_pools; p++) {
		fprintf(to, "\n[pool %s]\n", config->pools[p].name);
		for (size_t i = 0; i < n_pool_keys; i++)
			config_key_print(&pool_keys[i], &config->pools[p].settings, to);
	}
}

const char *config_key_name(const char *section, size_t n)
{
	if (strcmp(section, "broker") == 0)
		return n < n_broker_keys ? broker_keys[n].name : NULL;
	return n < n_pool_keys ? pool_keys[n].name : NULL;
}

/* root serves the system, everybody else serves himself. */
static char *user_path(const char *variable, const char *fallback, const char *name)
{
	const char *base = getenv(variable);
	const char *home = getenv("HOME");
	char *path = NULL;
	int r;

	if (base && base[0] == '/')
		r = asprintf(&path, "%s/usher/%s", base, name);
	else if (fallback && home && home[0] == '/')
		r = asprintf(&path, "%s/%s/usher/%s", home, fallback, name);
	else
		return (errno = ENOENT, NULL);
	return r < 0 ? (errno = ENOMEM, NULL) : path;
}

char *config_default_path(void)
{
	if (geteuid() == 0)
		return strdup("/etc/usher/usherd.conf");
	return user_path("XDG_CONFIG_HOME", ".config", "usherd.conf");
}

char *config_default_socket(void)
{
	if (geteuid() == 0)
		return strdup("/run/usher/usher.sock");
	return user_path("XDG_RUNTIME_DIR", NULL, "usher.sock");
}
