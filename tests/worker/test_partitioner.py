from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st
from servicecert_worker.kafka.partitioner import partition_for


@given(key=st.binary(max_size=200), count=st.integers(1, 50))
def test_I5_a_key_is_placed_where_kafka_s_own_clients_place_it(key, count):
    partitions = list(range(count))
    assert partition_for(key, partitions, []) == DefaultPartitioner()(key, partitions, partitions)
