# SPDX-License-Identifier: MIT
"""The oracle sees what is wrong in the course of things: fences, order, ends, numbers, answers; and
lets pass what may be."""
import unittest

from story import ROW, RulesTest


class Fences(RulesTest):
    def test_they_rise(self):
        self.story.create(1, "a", fence=7)
        self.story.create(2, "b", slots=[1], fence=8)
        self.assertFinds()

    def test_one_goes_back(self):
        self.story.create(1, "a", fence=7)
        self.story.crash()
        self.story.create(2, "b", slots=[1], fence=6)
        self.assertFinds("fence")

    def test_one_is_used_twice(self):
        first, second = self.story.ask(1, "a"), self.story.ask(2, "b")
        self.story.grant(1, first, "a", fence=7)
        self.story.grant(2, second, "b", slots=[1], fence=7)
        self.assertFinds("fence")

    def test_two_at_one_time_have_any_order(self):
        first, second = self.story.ask(1, "a"), self.story.ask(2, "b")
        self.story.grant(1, first, "a", fence=8)
        self.story.grant(2, second, "b", slots=[1], fence=7)
        self.assertFinds()

    def test_one_goes_back_long_after(self):
        self.story.create(1, "a", fence=7)
        self.story.release(1, "a")
        self.story.pass_time(60000)
        self.story.list()
        self.assertFinds()
        self.story.list()
        self.assertFinds()
        self.assertEqual(self.story.checker.history.calls, [])
        self.story.create(2, "b", slots=[1], fence=6)
        self.assertFinds("fence")


class Order(RulesTest):
    def wait(self, worker, session, **parameters):
        number = self.story.ask(worker, session, pool="one", wait_ms=1000, **parameters)
        self.story.feed(worker, "queued", n=number)
        return number

    def test_who_came_first_is_first(self):
        first, second = self.wait(1, "a"), self.wait(2, "b")
        self.story.grant(1, first, "a", pool="one")
        self.story.release(1, "a")
        self.story.grant(2, second, "b", pool="one")
        self.assertFinds()

    def test_who_came_later_is_first(self):
        first, second = self.wait(1, "a"), self.wait(2, "b")
        self.story.grant(2, second, "b", pool="one")
        self.story.release(2, "b")
        self.story.grant(1, first, "a", pool="one")
        self.assertFinds("order")

    def test_a_priority_may_pass(self):
        first, second = self.wait(1, "a"), self.wait(2, "b", priority=3)
        self.story.grant(2, second, "b", pool="one")
        self.story.release(2, "b")
        self.story.grant(1, first, "a", pool="one")
        self.assertFinds()

    def test_who_came_later_is_granted_while_the_other_waits_in_vain(self):
        first = self.wait(1, "a")
        self.story.create(2, "b", pool="one")
        self.story.pass_time(1000)
        self.story.refuse(1, first, "WaitTimeout")
        self.assertFinds("idle", "order")

    def test_a_slot_is_free_and_a_waiter_waits_in_vain(self):
        first = self.wait(1, "a")
        self.story.pass_time(1000)
        self.story.refuse(1, first, "WaitTimeout")
        self.assertFinds("idle")

    def test_those_behind_a_waiter_are_no_reason_that_it_waits_in_vain(self):
        first = self.wait(1, "a")
        second = self.wait(2, "b")
        self.story.refuse(3, self.story.ask(3, "c", pool="one"), "CapacityReached")
        self.story.pass_time(1000)
        self.story.refuse(1, first, "WaitTimeout")
        self.story.grant(2, second, "b", pool="one")
        self.assertFinds("idle")

    def test_those_before_a_waiter_are_a_reason(self):
        second = self.wait(2, "b")
        first = self.wait(1, "a")
        self.story.grant(2, second, "b", pool="one")
        self.story.pass_time(1000)
        self.story.refuse(1, first, "WaitTimeout")
        self.assertFinds()

    def test_one_with_a_priority_is_a_reason(self):
        first = self.wait(1, "a")
        second = self.wait(2, "b", priority=1)
        self.story.grant(2, second, "b", pool="one")
        self.story.pass_time(1000)
        self.story.refuse(1, first, "WaitTimeout")
        self.assertFinds()

    def test_there_is_room_for_who_is_refused(self):
        self.story.create(1, "a")
        self.story.refuse(2, self.story.ask(2, "b"), "CapacityReached")
        self.assertFinds("idle")

    def test_there_may_be_no_room_while_another_waits(self):
        self.story.create(1, "a")
        number = self.story.ask(3, "c", units=2, wait_ms=1000)
        self.story.refuse(2, self.story.ask(2, "b"), "CapacityReached")
        self.story.pass_time(1000)
        self.story.refuse(3, number, "WaitTimeout")
        self.assertFinds()


class Overstayed(RulesTest):
    def test_a_deadline_passed_long_ago(self):
        self.story.create(1, "a", timeout_ms=400)
        self.story.pass_time(10000)
        self.story.list()
        self.assertFinds("overstayed")

    def test_a_process_ended_long_ago(self):
        self.story.create(1, "a", owner="process")
        self.story.note("killing", w=1)
        self.story.note("killed", w=1)
        self.story.pass_time(10000)
        self.story.list()
        self.assertFinds("overstayed")

    def test_its_creator_ended_before_it_had_an_answer(self):
        self.story.ask(1, "x")
        self.story.note("killing", w=1)
        self.story.note("killed", w=1)
        self.story.list(x=ROW)
        self.assertFinds()
        self.story.pass_time(10000)
        self.story.list(x=ROW)
        self.assertFinds("overstayed")

    def test_an_orphan_was_not_claimed(self):
        self.story.create(1, "a")
        self.story.crash()
        self.story.list()
        self.story.pass_time(10000)
        self.assertFinds()
        self.story.list()
        self.assertFinds("overstayed")

    def test_an_orphan_was_claimed(self):
        self.story.create(1, "a")
        self.story.crash()
        self.story.call(1, "Attach", "a")
        self.story.pass_time(10000)
        self.story.list()
        self.assertFinds()

    def test_an_orphan_is_held(self):
        self.story.create(1, "a", pool="gpu")
        self.story.crash()
        self.story.pass_time(10000)
        self.story.list()
        self.assertFinds()

    def test_a_connection_was_closed_long_ago(self):
        self.story.create(1, "a")
        self.story.feed(1, "close")
        self.story.pass_time(10000)
        self.story.list()
        self.assertFinds("overstayed")


class Numbers(RulesTest):
    def test_they_add_up(self):
        self.story.create(1, "a")
        self.story.create(1, "b", slots=[1])
        self.story.release(1, "a")
        self.story.metrics(lifetime_total_created=2, active_sessions=1, lifetime_total_completed=1)
        self.assertFinds()

    def test_they_do_not_add_up(self):
        self.story.create(1, "a")
        self.story.metrics(lifetime_total_created=1)
        self.assertFinds("counters")

    def test_fewer_created_than_acknowledged(self):
        self.story.create(1, "a")
        self.story.metrics()
        self.assertFinds("counters")

    def test_more_created_than_asked_for(self):
        self.story.create(1, "a")
        self.story.metrics(lifetime_total_created=2, active_sessions=2)
        self.assertFinds("counters")

    def test_a_release_is_not_counted(self):
        self.story.create(1, "a")
        self.story.release(1, "a")
        self.story.metrics(lifetime_total_created=1, lifetime_total_abandoned=1)
        self.assertFinds("counters")

    def test_what_was_seen_goes_back(self):
        self.story.create(1, "a", timeout_ms=1)
        self.story.metrics(lifetime_total_created=1, lifetime_total_timeout=1)
        self.story.crash()
        self.story.metrics(lifetime_total_created=1, lifetime_total_abandoned=1)
        self.assertFinds("counters")

    def test_the_sum_of_the_metadata_drifts(self):
        self.story.metrics(metadata_bytes_drift=1)
        self.assertFinds("counters")

    def test_the_broker_finds_something_itself(self):
        self.story.look(verify={"ok": False, "findings": ["this"]})
        self.assertFinds("verify")


class Answers(RulesTest):
    def test_a_living_broker_hangs_up(self):
        self.story.feed(1, "broken", n=self.story.ask(1, "a"))
        self.assertFinds("hung up")

    def test_a_dead_broker_hangs_up_and_it_is_noticed_late(self):
        self.story.feed(1, "connected")
        self.story.crash()
        self.story.pass_time(500)
        self.story.feed(1, "broken", n=self.story.ask(1, "a"))
        self.assertFinds()

    def test_the_broker_after_the_dead_one_hangs_up(self):
        self.story.crash()
        self.story.feed(1, "connected")
        self.story.feed(1, "broken", n=self.story.ask(1, "a"))
        self.assertFinds("hung up")

    def test_a_call_stays_without_an_answer(self):
        self.story.feed(1, "unanswered", n=self.story.ask(1, "a"))
        self.assertFinds("unanswered")

    def test_an_error_that_has_no_reason(self):
        self.story.refuse(1, self.story.ask(1, "a"), "RequestIdInUse")
        self.assertFinds("unexpected")

    def test_another_pool_is_granted(self):
        self.story.grant(1, self.story.ask(1, "a"), "a", pool="one")
        self.assertFinds("altered")


unittest.main()
