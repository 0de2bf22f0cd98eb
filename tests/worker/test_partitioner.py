from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st
from servicecert_worker.kafka.partitioner import partition_for, partitions_with


@given(key=st.binary(max_size=200), count=st.integers(1, 50))
def test_I5_a_key_is_placed_where_kafka_s_own_clients_place_it(key, count):
    partitions = list(range(count))
    assert partition_for(key, partitions, []) == DefaultPartitioner()(key, partitions, partitions)


@given(key=st.binary(max_size=200), count=st.integers(1, 50), more=st.integers(0, 50))
def test_a_key_may_be_wherever_it_was_placed_since_its_topic_was_made(key, count, more):
    placed = {partition_for(key, range(number), []) for number in range(count, count + more + 1)}
    assert set(partitions_with(key, count, count + more)) == placed
    # Who made the topic by hand may have given it fewer.
    assert partitions_with(key, count + more, count) == [partition_for(key, range(count), [])]
