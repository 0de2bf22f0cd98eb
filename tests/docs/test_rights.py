"""A2, A3: what the page says of rights follows from the one table of the code."""

import pytest
from docs.rights import ACTS, PEOPLE, YES, Person, answer
from servicecert_schemas.event import Role
from servicecert_schemas.membership import MAY, Act

MEMBERS = {
    "colleague": Role.COLLEAGUE,
    "technical partner": Role.TECHNICAL_PARTNER,
    "technical contact of the case": Role.TECHNICAL_CONTACT,
}


@pytest.mark.parametrize("person", PEOPLE, ids=lambda each: each.name)
def test_A2_A3_each_act_of_each_person_is_answered_as_the_table_of_rights_says(person: Person) -> None:
    allowed = MAY[MEMBERS[person.name]] if person.name in MEMBERS else frozenset[Act]()
    assert {act for act in ACTS if answer(person, act) == YES} == {act.value for act in allowed}
