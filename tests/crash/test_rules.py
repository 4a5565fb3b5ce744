# SPDX-License-Identifier: MIT
"""The oracle sees that a session is lost, invented, admitted in vain or altered, and lets pass what
may be."""
import unittest

from story import ROW, RulesTest


class Lost(RulesTest):
    def test_what_is_listed_is_well(self):
        self.story.create(1, "a")
        self.story.crash()
        self.story.list()
        self.assertFinds()

    def test_an_acknowledged_session_is_not_listed(self):
        self.story.create(1, "a")
        self.story.crash()
        self.story.list(a=None)
        self.assertFinds("lost")

    def test_one_that_is_being_released_may_be_gone(self):
        self.story.create(1, "a")
        number = self.story.intend(1, "Release", session_id="a", outcome="completed")
        self.story.list(a=None)
        self.story.answer(1, number)
        self.assertFinds()

    def test_its_owner_is_told_that_it_is_gone(self):
        self.story.create(1, "a")
        self.story.crash()
        self.story.refuse(1, self.story.intend(1, "Attach", session_id="a"), "NoSuchSession")
        self.assertFinds("lost")

    def test_a_first_release_finds_nothing(self):
        self.story.create(1, "a")
        self.story.refuse(1, self.story.intend(1, "Release", session_id="a", outcome="error"), "NoSuchSession")
        self.assertFinds("lost")

    def test_a_second_release_may_find_nothing(self):
        self.story.create(1, "a")
        number = self.story.intend(1, "Release", session_id="a", outcome="error")
        self.story.note("kill", how="random")
        self.story.feed(1, "broken", n=number)
        self.story.crash()
        self.story.refuse(1, self.story.intend(1, "Release", session_id="a", outcome="error"), "NoSuchSession")
        self.assertFinds()

    def test_a_deadline_may_have_passed(self):
        self.story.create(1, "a", timeout_ms=400)
        self.story.pass_time(500)
        self.story.list(a=None)
        self.assertFinds()

    def test_a_deadline_has_not_passed(self):
        self.story.create(1, "a", timeout_ms=400)
        self.story.pass_time(300)
        self.story.list(a=None)
        self.assertFinds("lost")

    def test_a_renewed_deadline_has_not_passed(self):
        self.story.create(1, "a", timeout_ms=400)
        self.story.call(1, "Renew", "a", timeout_ms=9000)
        self.story.pass_time(2000)
        self.story.list(a=None)
        self.assertFinds("lost")

    def test_a_renewal_that_was_lost_may_have_shortened_it(self):
        self.story.create(1, "a", timeout_ms=9000)
        number = self.story.intend(1, "Renew", session_id="a", timeout_ms=100)
        self.story.note("kill", how="random")
        self.story.feed(1, "broken", n=number)
        self.story.crash()
        self.story.pass_time(200)
        self.story.list(a=None)
        self.assertFinds()

    def test_a_pool_that_holds_knows_no_deadline(self):
        self.story.create(1, "a", pool="gpu", timeout_ms=400)
        self.story.pass_time(500)
        self.story.list(a=None)
        self.assertFinds("lost")

    def test_a_closed_connection_may_have_ended_it(self):
        self.story.create(1, "a")
        self.story.feed(1, "close")
        self.story.list(a=None)
        self.assertFinds()

    def test_a_closed_connection_does_not_end_a_process_owned_one(self):
        self.story.create(1, "a", owner="process")
        self.story.feed(1, "close")
        self.story.list(a=None)
        self.assertFinds("lost")

    def test_a_process_that_is_killed_ends_it_but_not_a_detached_one(self):
        self.story.create(1, "a", owner="process")
        self.story.create(1, "b", slots=[1], owner="detached", timeout_ms=90000)
        self.story.note("killing", w=1)
        self.story.list(a=None)
        self.assertFinds()
        self.story.list(a=None, b=None)
        self.assertFinds("lost")

    def test_an_orphan_that_nobody_claimed_may_end_after_the_grace(self):
        self.story.create(1, "a")
        self.story.crash()
        self.story.pass_time(2100)
        self.story.list(a=None)
        self.assertFinds()

    def test_an_orphan_has_its_grace(self):
        self.story.create(1, "a")
        self.story.crash()
        self.story.pass_time(1500)
        self.story.list(a=None)
        self.assertFinds("lost")

    def test_an_orphan_that_was_claimed_stays(self):
        self.story.create(1, "a")
        self.story.crash()
        self.story.call(1, "Attach", "a")
        self.story.pass_time(3000)
        self.story.list(a=None)
        self.assertFinds("lost")

    def test_an_orphan_of_a_pool_that_holds_stays(self):
        self.story.create(1, "a", pool="gpu")
        self.story.crash()
        self.story.pass_time(3000)
        self.story.list(a=None)
        self.assertFinds("lost")

    def test_a_pool_counts_less_than_is_held(self):
        self.story.create(1, "a")
        self.story.look(pools=[{"pool": "two", "used_units": 0, "over": 0}])
        self.assertFinds("lost")


class Invented(RulesTest):
    def test_nobody_asked_for_it(self):
        self.story.list(x=ROW)
        self.assertFinds("invented")

    def test_it_was_asked_for_and_the_answer_lost(self):
        number = self.story.ask(1, "x")
        self.story.note("kill", how="random")
        self.story.feed(1, "broken", n=number)
        self.story.crash()
        self.story.list(x=ROW)
        self.assertFinds()

    def test_it_was_refused(self):
        self.story.create(2, "a", slots=[0, 1])
        self.story.refuse(1, self.story.ask(1, "x"), "CapacityReached")
        self.story.release(2, "a")
        self.story.list(x=ROW)
        self.assertFinds("invented")

    def test_it_was_released(self):
        self.story.create(1, "a")
        row = {**self.story.rows["a"], "orphaned": True}
        self.story.release(1, "a")
        self.story.crash()
        self.story.list(a=row)
        self.assertFinds("invented")

    def test_a_request_has_two_sessions(self):
        self.story.create(1, "a")
        self.story.list(b={**self.story.rows["a"], "session_id": "b", "slots": [1]})
        self.assertFinds("invented")

    def test_a_repeated_request_gets_a_second_session(self):
        self.story.create(1, "a")
        number = self.story.ask(1, "a")
        self.story.answer(1, number, session_id="b", request_id="r.a", pool="two", slots=[1], fence=900)
        self.assertFinds("invented")

    def test_a_repeated_request_gets_its_session(self):
        self.story.create(1, "a")
        self.story.grant(1, self.story.ask(1, "a"), "a", fence=self.story.rows["a"]["fence"], existing=True)
        self.assertFinds()

    def test_a_first_request_is_told_of_an_existing_session(self):
        self.story.grant(1, self.story.ask(1, "a"), "a", existing=True)
        self.assertFinds("invented")

    def test_a_pool_counts_more_than_was_asked_for(self):
        self.story.create(1, "a")
        self.story.look(pools=[{"pool": "two", "used_units": 2, "over": 0}])
        self.assertFinds("invented")

    def test_an_outcome_that_nobody_gave(self):
        self.story.create(1, "a", timeout_ms=100)
        self.story.pass_time(200)
        self.story.refuse(1, self.story.intend(1, "Start", session_id="a"), "SessionEnded", outcome="error")
        self.assertFinds("invented")


    def test_what_was_granted_by_a_lost_reply_is_acknowledged_by_the_next(self):
        number = self.story.ask(1, "a")
        self.story.note("kill", how="random")
        self.story.feed(1, "broken", n=number)
        self.story.crash()
        self.story.list(a={**ROW, "session_id": "a", "request_id": "r.a", "fence": 101, "orphaned": True})
        self.story.grant(1, self.story.ask(1, "a"), "a", existing=True)
        self.story.list()
        self.assertFinds()


class Admission(RulesTest):
    def test_more_units_than_there_are(self):
        self.story.create(1, "a", slots=[0, 1])
        self.story.create(2, "b", slots=[1])
        self.story.release(2, "b")
        self.story.release(1, "a")
        self.assertFinds("admission")

    def test_the_same_slot_twice(self):
        self.story.create(1, "a")
        self.story.create(2, "b")
        self.story.release(2, "b")
        self.assertFinds("admission")

    def test_a_slot_that_was_being_released(self):
        self.story.create(1, "a", pool="one")
        number = self.story.intend(1, "Release", session_id="a", outcome="completed")
        self.story.create(2, "b", pool="one")
        self.story.answer(1, number)
        self.assertFinds()

    def test_a_slot_that_the_pool_does_not_have(self):
        self.story.create(1, "a", slots=[2])
        self.assertFinds("admission")

    def test_too_many_slots(self):
        self.story.grant(1, self.story.ask(1, "a", units=1), "a", slots=[0, 1])
        self.assertFinds("admission")

    def test_a_pool_that_says_so(self):
        self.story.create(1, "a", pool="one")
        self.story.ask(2, "b", pool="one")
        self.story.look(pools=[{"pool": "one", "used_units": 2, "over": 1}])
        self.assertFinds("admission")

    def test_a_listed_slot_that_another_holds(self):
        self.story.create(1, "a")
        self.story.ask(2, "x")
        self.story.list(x=ROW)
        self.assertFinds("admission")


class Altered(RulesTest):
    def update(self, text):
        return self.story.intend(1, "Update", metadata=text, session_id="a")

    def list_with(self, **fields):
        self.story.list(a={**self.story.rows["a"], **fields})

    def test_metadata_is_as_it_was_last_set(self):
        self.story.create(1, "a")
        self.story.answer(1, self.update('{"n":1}'))
        self.story.crash()
        self.list_with(metadata='{"n":1}')
        self.assertFinds()

    def test_metadata_is_older(self):
        self.story.create(1, "a")
        self.story.answer(1, self.update('{"n":1}'))
        self.story.answer(1, self.update('{"n":2}'))
        self.story.crash()
        self.list_with(metadata='{"n":1}')
        self.assertFinds("altered")

    def test_metadata_of_an_update_without_an_answer_is_either(self):
        self.story.create(1, "a")
        self.story.answer(1, self.update('{"n":1}'))
        number = self.update('{"n":2}')
        self.story.note("kill", how="random")
        self.story.feed(1, "broken", n=number)
        self.story.crash()
        self.list_with(metadata='{"n":1}')
        self.list_with(metadata='{"n":2}')
        self.assertFinds()

    def test_metadata_differs_by_a_space(self):
        self.story.create(1, "a")
        self.story.answer(1, self.update('{"n": 1}'))
        self.list_with(metadata='{"n":1}')
        self.assertFinds("altered")

    def test_a_timeout_has_gone_back(self):
        self.story.create(1, "a")
        self.story.call(1, "Renew", "a", timeout_ms=60000)
        self.list_with()
        self.assertFinds("altered")

    def test_it_had_been_started(self):
        self.story.create(1, "a")
        self.story.call(1, "Start", "a")
        self.list_with()
        self.assertFinds("altered")

    def test_its_owner_had_changed(self):
        self.story.create(1, "a")
        self.story.call(1, "Attach", "a", owner="process")
        self.list_with()
        self.assertFinds("altered")

    def test_an_orphan_is_not_shown_as_one(self):
        self.story.create(1, "a")
        self.story.crash()
        self.list_with()
        self.assertFinds()
        self.list_with(orphaned=False)
        self.assertFinds("altered")

    def test_what_was_claimed_is_no_orphan(self):
        self.story.create(1, "a")
        self.story.crash()
        self.story.call(1, "Attach", "a")
        self.list_with()
        self.assertFinds()
        self.list_with(orphaned=True)
        self.assertFinds("altered")

    def test_a_process_owned_one_is_no_orphan(self):
        self.story.create(1, "a", owner="process")
        self.story.crash()
        self.list_with()
        self.assertFinds()
        self.list_with(orphaned=True)
        self.assertFinds("altered")

    def test_each_fixed_field(self):
        for field, value in (("slots", [1]), ("fence", 7), ("priority", 3), ("pid", 2), ("label", "no")):
            with self.subTest(field=field):
                self.setUp()
                self.story.create(1, "a")
                self.list_with(**{field: value})
                self.assertFinds("altered")

    def test_a_granted_one_waits(self):
        self.story.create(1, "a", wait_ms=100)
        self.list_with(state="waiting", slots=[])
        self.assertFinds("altered")


unittest.main()
