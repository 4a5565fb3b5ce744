/* SPDX-License-Identifier: MIT */
/* A server in the test's own process, without a store, whose loop only runs when told, and clients
 * that it is connected to. */
#ifndef USHER_TESTS_SERVER_FIXTURE_H
#define USHER_TESTS_SERVER_FIXTURE_H

#include "daemon/loop.h"
#include "daemon/server.h"

#define CLIENTS 8

extern int clients[CLIENTS], ends[CLIENTS]; /* ours, and what the server has copies of */
extern struct config *config;
extern struct server server;

void load_config(void); /* first: that of a system without files */
void make_server(void);
void unmake_server(void);
void connect_clients(void);
void disconnect_clients(void);

/* One turn of its loop; or as many as anything takes that is not long. */
void turn_once(void);
void turn(void);

/* Call METHOD with the members PARAMETERS; say() makes turns, too. */
void ask(int client, const char *method, const char *parameters, bool more);
void say(int client, const char *method, const char *parameters, bool more);
/* The same as ask(), for no answer. */
void ask_oneway(int client, const char *method, const char *parameters);

/* Close CLIENT's end. */
void hang_up(int client);
/* Whether the server has closed its own; turns are made. */
bool is_hung_up_on(int client);

/* CLIENT gets N sessions of the pool "default", and its replies are read. */
void hold_sessions(int client, int n);

/* What has been said to it, up to SIZE - 1 bytes, and a NUL; false: nothing. */
bool hear(int client, char *ret, size_t size);
void hear_nothing_more(int client);

#endif
