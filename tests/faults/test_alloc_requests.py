# SPDX-License-Identifier: MIT
"""Every request with every allocation on its way failing, once and for good: the memory of the
daemon and of all the libraries in it. test_alloc_requests.py [TEST]..."""
import os
import unittest

from starved import HOUR_MS, Closed, Refused, StarvedTest

LONG = "x" * 4000
ESCAPED = "a\"\n\\" * 50


class Creating(StarvedTest):
    def test_create(self):
        self.starve(lambda: self.create(metadata={"a": 1}, label="label", priority=3, units=2))

    def test_create_for_the_connection(self):
        self.starve(lambda: self.create(owner="connection"))

    def test_create_for_the_process(self):
        self.starve(lambda: self.sure.add(self.create(owner="process")["session_id"]), tidy=self.end_all)

    def test_create_for_another_process(self):
        self.starve(self.take_for_process, tidy=self.end_all)

    def test_create_with_texts_that_have_to_be_decoded(self):
        self.starve(lambda: self.create(label=ESCAPED[:100], metadata={"a": ESCAPED * 20}))

    def test_create_in_a_shadow_pool(self):
        self.starve(lambda: self.create(pool="shadow"), tidy=self.end_all)

    def test_create_that_is_repeated(self):
        self.starve(self.repeat, lambda: self.take(request_id="again"), tidy=self.end_all)

    def repeat(self, session):
        told = self.call("Create", request_id="again", owner="detached", timeout_ms=HOUR_MS)
        self.assertEqual((told["session_id"], told["existing"]), (session, True))

    def test_create_with_a_request_id_in_use(self):
        self.starve(lambda _: self.call("Create", request_id="mine"),
                    lambda: self.take(request_id="mine"), ["RequestIdInUse"], tidy=self.end_all)

    def test_create_in_a_full_pool(self):
        self.take(pool="one")
        self.starve(lambda: self.call("Create", pool="one"), refusals=["CapacityReached"])

    def test_create_with_a_full_queue(self):
        self.take(pool="none")
        waiter = self.wait(self.victim.client(), pool="none")
        self.n_waiting = 1
        self.count_baseline()
        self.starve(lambda: self.call("Create", pool="none", wait_ms=-1), refusals=["QueueFull"])
        waiter.close()
        self.n_waiting = 0
        self.wait_idle()

    def test_create_over_a_quota(self):
        self.take(pool="quota")
        self.starve(lambda: self.call("Create", pool="quota"), refusals=["QuotaExceeded"])

    def test_create_over_the_limit_of_metadata(self):
        self.starve(lambda: self.call("Create", pool="small", metadata={"a": LONG}),
                    refusals=["MetadataTooLarge"])

    def test_create_over_the_limit_of_time(self):
        self.starve(lambda: self.call("Create", pool="small", timeout_ms=HOUR_MS),
                    refusals=["TimeoutOutOfRange"])

    def test_create_in_no_pool(self):
        self.starve(lambda: self.call("Create", pool="nowhere"), refusals=["NoSuchPool"])

    def test_create_with_wrong_parameters(self):
        self.starve(lambda: self.call("Create", units=-1), refusals=["InvalidParameter"])

    def test_create_in_a_paused_pool(self):
        self.witness.call("Pause", pool="one", reason="a reason")
        self.starve(lambda: self.call("Create", pool="one"), refusals=["Paused"])

    def test_create_during_a_drain(self):
        drainer = self.victim.client()
        drainer.send("Drain", {"timeout_ms": -1})
        self.count_baseline()
        self.starve(lambda: self.call("Create"), refusals=["ShuttingDown"])
        self.witness.call("Resume")
        drainer.result()
        drainer.close()


class Waiting(StarvedTest):
    """Pool one has one slot; it is taken."""

    def setUp(self):
        super().setUp()
        self.holder_of_one = self.take(pool="one")

    def test_create_that_waits(self):
        self.starve(lambda: self.stay(wait_ms=-1))

    def test_create_that_waits_for_the_process(self):
        self.starve(lambda: self.stay(wait_ms=HOUR_MS, owner="process", label="label", metadata={"a": 1}))

    def stay(self, **parameters):
        """Until its place in the queue is told; then the connection ends, and the wait with it."""
        self.offender.send("Create", {"pool": "one", **parameters}, more=True)
        self.assertEqual(self.result(self.offender)["queued"]["position"], 1)

    def test_create_that_takes_over_a_wait(self):
        self.starve(self.take_over, lambda: self.wait(self.victim.client(), pool="one", request_id="w"))

    def take_over(self, waiter):
        try:
            self.stay(wait_ms=-1, request_id="w")
        finally:
            waiter.close()

    def test_set_pool_that_leaves_no_room_for_a_wait(self):
        self.starve(self.narrow, self.wait_for_three, tidy=lambda _: self.end_all())

    def wait_for_three(self):
        self.witness.call("SetPool", pool="wide", limit=3)
        self.take(pool="wide")
        return self.wait(self.victim.client(), pool="wide", units=3)

    def narrow(self, waiter):
        try:
            self.call("SetPool", pool="wide", limit=2)
            with self.assertRaises(Refused):
                self.result(waiter)
        finally:
            waiter.close()

    def test_drain_that_ends_a_wait(self):
        self.starve(self.drain, lambda: self.wait(self.victim.client(), pool="one"),
                    tidy=lambda _: self.witness.call("Resume"))

    def drain(self, waiter):
        try:
            self.call("Drain", timeout_ms=10)
            with self.assertRaisesRegex(Refused, "ShuttingDown"):
                self.result(waiter)
        finally:
            waiter.close()

    def test_a_wait_that_times_out(self):
        self.starve(lambda: self.call("Create", pool="one", wait_ms=1), refusals=["WaitTimeout"])

    def test_cancel(self):
        self.starve(self.cancel, lambda: self.wait(self.victim.client(), pool="one", request_id="w"))

    def cancel(self, waiter):
        try:
            self.call("Cancel", request_id="w")
            with self.assertRaisesRegex(Refused, "Cancelled"):
                self.result(waiter)
        finally:
            waiter.close()

    def test_cancel_of_none(self):
        self.starve(lambda: self.call("Cancel", request_id="nobody's"), refusals=["NoSuchSession"])

    def test_a_release_that_grants_to_who_waits(self):
        self.end_all()
        self.starve(self.hand_over, self.line_up, tidy=self.see_handed_over)

    def line_up(self):
        session = self.take(pool="one")
        return session, self.wait(self.victim.client(), pool="one", request_id="next")

    def hand_over(self, given):
        self.maybe.add("next")
        self.ask_to_end(given[0])

    def see_handed_over(self, given):
        """Whoever waits learns of it, or that it could not be stored, or of the end of the connection."""
        try:
            self.assertEqual(given[1].result()["slots"], [0])
        except Refused as refusal:
            self.assertEqual(refusal.name, "StoreUnavailable")
        except (EOFError, ConnectionError):
            pass
        given[1].close()
        self.end_all()


class Sessions(StarvedTest):
    def test_start(self):
        self.starve(lambda session: self.call("Start", session_id=session), self.take, tidy=self.end_all)

    def test_start_with_a_deadline(self):
        self.starve(lambda session: self.call("Start", session_id=session),
                    lambda: self.take(timeout_ms=HOUR_MS), tidy=self.end_all)

    def test_renew(self):
        self.starve(lambda session: self.call("Renew", session_id=session, timeout_ms=2 * HOUR_MS),
                    self.take, tidy=self.end_all)

    def test_renew_of_what_had_no_deadline(self):
        self.starve(lambda session: self.call("Renew", session_id=session, timeout_ms=HOUR_MS),
                    self.take_for_process, tidy=self.end_all)

    def test_update(self):
        self.starve(lambda session: self.update(session), lambda: self.take(metadata={"old": 1}),
                    tidy=self.end_updated)

    def update(self, session):
        self.call("Update", session_id=session, metadata={"new": LONG})

    def end_updated(self, session):
        told = self.witness.call("Get", session_id=session)["session"]["metadata"]
        self.assertIn(told, ({"old": 1}, {"new": LONG}))
        self.end_all()

    def test_release(self):
        self.starve(lambda session: self.ask_to_end(session, outcome="error", result="a result"),
                    self.take, tidy=self.end_all)

    def test_release_of_one_that_has_ended(self):
        session = self.take()
        self.end_all()
        self.starve(lambda: self.call("Release", session_id=session), refusals=["SessionEnded"])

    def test_release_of_none(self):
        self.starve(lambda: self.call("Release", session_id="session_000000000000"),
                    refusals=["NoSuchSession"])

    def test_attach(self):
        self.starve(self.attach, self.take_for_process, tidy=self.end_all)

    def attach(self, session):
        self.ask_to_end(session, "Attach")  # which it does with the connection

    def test_attach_a_process(self):
        self.starve(lambda session: self.call("Attach", session_id=session, owner="process",
                                              pid=self.sleeper.pid),
                    self.take, tidy=self.end_all)

    def test_revoke(self):
        self.starve(lambda session: self.call("Revoke", session_id=session, reason="a reason"),
                    self.take, tidy=self.end_all)

    def test_revoke_with_force(self):
        self.starve(lambda session: self.ask_to_end(session, "Revoke", reason="a reason", force=True),
                    self.take, tidy=self.end_all)


class Looking(StarvedTest):
    """At forty sessions, some of which have large texts."""

    def setUp(self):
        super().setUp()
        for n in range(40):
            self.create(metadata={"n": n, "text": ESCAPED}, label=f"label{n}")
        for n in range(30):
            self.ask_to_end(self.take(), result="x" * 500)
        self.others = set(self.sure)

    def test_get(self):
        self.starve(lambda: self.call("Get", session_id=self.held))

    def test_get_by_request_id(self):
        self.starve(lambda: self.call("Get", request_id="r7"))

    def test_list(self):
        self.starve(lambda: self.call("List"))

    def test_list_of_some(self):
        self.starve(lambda: self.call("List", where={"n": 7}, label="label7", pool="default"))

    def test_list_as_a_stream(self):
        self.starve(lambda: self.stream("List", pool="default", label="label3", where={"n": 3}))
        self.starve(lambda: self.stream("List"))

    def stream(self, method, **parameters):
        self.offender.send(method, parameters, more=True)
        while True:
            self.result(self.offender)
            if b'"continues":true' not in self.offender.raw.replace(b" ", b""):
                return

    def test_history(self):
        self.starve(lambda: self.call("History"))

    def test_monitor(self):
        self.starve(self.monitor)

    def test_monitor_of_its_own(self):
        self.starve(lambda: self.monitor(own=True))

    def test_monitor_of_a_session(self):
        self.starve(lambda: self.monitor(session_id=self.held))

    def test_monitor_of_nothing(self):
        self.starve(lambda: self.monitor(pool="nowhere"), refusals=["NoSuchPool"])

    def monitor(self, **parameters):
        self.offender.send("Monitor", parameters, more=True)
        while self.result(self.offender)["event"]["type"] != "ready":
            pass

    def test_events_that_somebody_watches(self):
        self.starve(self.be_watched, self.watch, tidy=self.end_watch)

    def watch(self):
        watcher = self.victim.client()
        watcher.send("Monitor", {"pool": "one"}, more=True)
        while watcher.result()["event"]["type"] != "ready":
            pass
        return watcher

    def be_watched(self, watcher):
        session = self.create(pool="one", label=ESCAPED[:100])["session_id"]
        self.assertEqual(self.result(watcher)["event"]["session"]["session_id"], session)
        self.ask_to_end(session, result=ESCAPED)
        self.assertEqual(self.result(watcher)["event"]["type"], "ended")

    def end_watch(self, watcher):
        watcher.close()
        for session in self.sure - self.others:
            self.witness.call("Release", session_id=session)
        self.sure &= self.others

    def test_get_metrics(self):
        self.starve(lambda: self.call("GetMetrics"))

    def test_get_metrics_of_a_pool(self):
        self.starve(lambda: self.call("GetMetrics", pool="default"))

    def test_list_pools(self):
        self.starve(lambda: self.call("ListPools"))

    def test_verify(self):
        self.starve(lambda: self.call("Verify"))

    def test_get_info(self):
        self.starve(lambda: self.call("org.varlink.service.GetInfo"))

    def test_get_interface_description(self):
        self.starve(lambda: self.call("org.varlink.service.GetInterfaceDescription",
                                      interface="io.usher.Broker"))


class Administration(StarvedTest):
    def test_set_pool(self):
        self.starve(lambda: self.call("SetPool", pool="one", limit=500, max_metadata_bytes=100000))

    def test_set_pool_of_a_new_one(self):
        self.starve(lambda: self.call("SetPool", pool=f"new{self.next()}", limit=3))

    def next(self):
        self.number += 1
        return self.number

    def test_set_pool_to_what_cannot_be(self):
        self.starve(lambda: self.call("SetPool", pool="one", per_uid_limit=0), refusals=["InvalidParameter"])

    def test_pause(self):
        self.starve(lambda: self.call("Pause", reason=ESCAPED), tidy=self.resume)

    def test_pause_of_a_pool(self):
        self.starve(lambda: self.call("Pause", pool="one", for_ms=HOUR_MS, reason="a reason"),
                    tidy=self.resume)

    def resume(self):
        self.witness.call("Resume")
        self.witness.call("Resume", pool="one")

    def test_resume(self):
        self.starve(lambda _: self.call("Resume"), lambda: self.witness.call("Pause", reason="a reason"),
                    tidy=lambda _: self.resume())

    def test_drain(self):
        self.starve(lambda: self.call("Drain", timeout_ms=10), tidy=self.resume)

    def test_reset_metrics(self):
        self.starve(lambda: self.call("ResetMetrics"))

    def test_reload(self):
        self.starve(self.reload, self.change, tidy=self.check_reload)

    def change(self):
        """Other settings, more pools."""
        self.limit = self.next()
        self.victim.config.write_text(
            self.victim.config.read_text().partition("# more")[0] + "# more\n" + "".join(
                f"[pool more{n}]\nlimit = {self.limit}\nallow = root, @root\n" for n in range(5)))
        return self.limit

    def reload(self, _):
        """What is wrong with the configuration has a place in it; a lack of memory has none."""
        try:
            self.call("Reload")
        except Refused as refusal:
            self.assertIn("emory", refusal.parameters["message"])
            raise Closed from refusal

    def check_reload(self, limit):
        """All or nothing."""
        limits = {pool["limit"] for pool in self.witness.call("ListPools")["pools"]
                  if pool["pool"].startswith("more")}
        self.assertLessEqual(len(limits), 1)

    def test_reload_of_what_is_wrong(self):
        sound = self.victim.config.read_text()
        self.victim.config.write_text("[pool one]\nlimit = none at all\n")
        self.starve(lambda: self.call("Reload"), refusals=["InvalidConfig"])
        self.victim.config.write_text(sound)


class Strangers(StarvedTest):
    """Of another user: they may look, and no more."""

    OFFENDER_UID = 65533

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("only root can act as several users")
        super().setUp()

    def test_a_session_of_somebody_elses(self):
        for method, parameters in (("Start", {}), ("Renew", {}), ("Update", {"metadata": {}}), ("Release", {}),
                                   ("Attach", {}), ("Revoke", {"force": True})):
            self.starve(lambda m=method, p=parameters: self.call(m, session_id=self.held, **p),
                        refusals=["PermissionDenied"])

    def test_what_admins_do(self):
        for method, parameters in (("SetPool", {"pool": "one"}), ("Pause", {}), ("Resume", {}), ("Drain", {}),
                                   ("Reload", {}), ("ResetMetrics", {})):
            self.starve(lambda m=method, p=parameters: self.call(m, **p), refusals=["PermissionDenied"])

    def test_a_pool_for_others(self):
        self.starve(lambda: self.call("Create", pool="private"), refusals=["PermissionDenied"])

    def test_get(self):
        self.starve(lambda: self.call("Get", session_id=self.held))


class Wire(StarvedTest):
    def test_connecting(self):
        self.starve(self.connect)

    def connect(self):
        client = self.victim.client()
        client.send("org.varlink.service.GetInfo")
        try:
            self.result(client)
        finally:
            client.close()

    def test_many_calls_at_once(self):
        self.starve(self.call_many)

    def call_many(self):
        for _ in range(20):
            self.offender.send("GetMetrics")
        for _ in range(20):
            self.result(self.offender)

    def test_many_sessions_at_once(self):
        self.starve(self.create_many, tidy=self.end_all)

    def create_many(self):
        """None of them is waited for before the next one is asked for."""
        requests = [f"many{self.number + n}" for n in range(30)]
        self.number += 30
        self.maybe.update(requests)
        for request in requests:
            self.offender.send("Create", {"request_id": request, "owner": "detached", "timeout_ms": HOUR_MS})
        refusal = None
        for request in requests:
            try:
                told = self.result(self.offender)
                self.sure.add(told["session_id"])
            except Refused as error:
                refusal = error
            self.maybe.discard(request)
        if refusal:
            raise refusal

    def test_a_call_in_pieces(self):
        self.starve(lambda: self.send_in_pieces('{"method":"io.usher.Broker.GetMetrics"}\0', 7))

    def test_a_long_call_in_pieces(self):
        self.starve(lambda: self.send_in_pieces(
            '{"method":"io.usher.Broker.GetMetrics","parameters":{' + " " * 20000 + "}}\0", 5000))

    def send_in_pieces(self, data, size):
        for at in range(0, len(data), size):
            try:
                self.offender.send_raw(data[at:at + size].encode())
            except ConnectionError:
                break
            self.wait_idle()
        self.result(self.offender)

    def test_a_call_that_is_too_long(self):
        self.starve(lambda: self.send_in_pieces(" " * 200000, 50000), refusals=["InvalidParameter"])

    def test_no_json(self):
        self.starve(lambda: self.send_in_pieces("{\0", 2), refusals=["InvalidParameter"])

    def test_no_such_method(self):
        self.starve(lambda: self.call("Nonsense"), refusals=["MethodNotFound"])


unittest.main()
