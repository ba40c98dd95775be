from pathlib import Path

from medfl_client.connection.supervisor import LOG_BYTES, put_aside


def test_a_large_log_of_the_supernode_is_put_aside_and_one_old_one_is_kept(tmp_path: Path) -> None:
    log, old = tmp_path / "supernode.log", tmp_path / "supernode.log.1"
    put_aside(log)  # none yet
    for letter in (b"a", b"b"):
        log.write_bytes(letter * (LOG_BYTES + 1))
        put_aside(log)
        assert not log.exists()
        assert old.read_bytes()[:1] == letter

    log.write_bytes(b"c" * LOG_BYTES)
    put_aside(log)

    assert log.stat().st_size == LOG_BYTES
    assert len([*tmp_path.iterdir()]) == 2
