"""How long a case took until it reached each stage."""

from servicecert_intake.domain.view import stages


def names(before, after):
    return [stage for stage, _ in stages(before, after)]


def test_each_stage_is_told_once_with_the_seconds_since_the_submission(after):
    submitted, issued = after("submitted"), after("submitted", "issued")
    delivered = after("submitted", "issued", "orderer has it", "contact has it")
    assert names(None, submitted) == ["accepted"]
    assert names(submitted, issued) == ["issued"]
    assert names(issued, delivered) == ["delivered"]
    assert names(delivered, delivered) == []
    assert names(None, delivered) == ["accepted", "issued", "delivered"]
    began = delivered.entered[0].at
    assert dict(stages(submitted, issued)) == {"issued": (issued.certified_at - began).total_seconds()}
