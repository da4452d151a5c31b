"""The benchmark times what it says it times. How fast that is, is not for a test to say."""

import json

from gtp_mini import bench


def test_candidates_take_turns_and_the_median_of_their_rounds_counts(monkeypatch):
    clock, order = [0.0], []
    monkeypatch.setattr(bench.time, "perf_counter", lambda: clock[0])

    def candidate(name, seconds):
        seconds = iter(seconds)

        def call():
            order.append(name)
            clock[0] += next(seconds)
        return call

    candidates = {"a": candidate("a", [100, 1, 9, 2]), "b": candidate("b", [100, 5, 5, 50])}
    found = bench.measure(candidates, calls=1, rounds=3)
    assert found == {"a": 2.0, "b": 5.0}  # the first round, in which things warm up, is thrown away
    assert order == ["a", "b"] * 4


def test_updates_of_every_method_and_way_are_timed_for_one_seed():
    class Rival:
        calls = 0

        def update(self, batch, step, generator):
            Rival.calls += 1
            assert batch["obs"].shape == (bench.BATCH, bench.OBS_DIM)

    found = bench.updates(width=8, rivals={"rival": Rival()}, ways=("plain", "4 seeds stacked"), calls=1, rounds=1)
    assert set(found) == set(bench.UPDATES) | {f"{name}, 4 seeds stacked" for name in bench.COMPUTED} | {"rival"}
    assert all(seconds > 0 for seconds in found.values()) and Rival.calls == 2


def test_decisions_and_ants_are_timed():
    found = bench.latencies(steps=(1, 2), batches=(1,), calls=1, rounds=1)
    assert {"gtp-bc, K = 2, batch 1", "gtp-bc, K = 2, batch 1, fast", "ddpm, K = 5, batch 1"} <= set(found)
    assert all(seconds > 0 for seconds in found.values())
    assert bench.world(episode_steps=2, count=2, rounds=1).keys() == {"one by one", "in threads"}
    assert bench.peak_memory_mb() > 50


def test_everything_is_plain_data_with_what_it_depends_on(monkeypatch):
    for name in ("updates", "latencies", "world", "imports"):
        monkeypatch.setattr(bench, name, lambda *arguments: {"one": 0.5})
    found = json.loads(json.dumps(bench.everything("cpu", 64, say=lambda text: None)))
    assert found["updates_per_second"] == found["ant_steps_per_second"] == {"one": 2.0}
    assert found["decision_ms"] == {"one": 500.0} and found["import_seconds"] == {"one": 0.5}
    assert found["versions"]["torch"] and (found["device"], found["width"]) == ("cpu", 64)


def test_an_unknown_device_is_refused(cli):
    status, _, err = cli("bench", "--device", "cuda:99")
    assert status != 0 and "cuda:99" in err
