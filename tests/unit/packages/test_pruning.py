"""What of a cache goes: by age, then by size, and never what is needed."""

from isp_plugins.packages.pruning import DAY_S, Kept, Kind, choose

NOW = 1_000 * DAY_S
MIB = 1024 * 1024


def kept(name, *, mib=1, days=0.0, needed=False):
    return Kept(name, mib * MIB, NOW - days * DAY_S, needed)


def names(*there, days=90.0, most=0):
    return [one.name for one in choose(Kind.BYTECODE_CACHE, there, days=days, most=most, now=NOW)]


def test_what_is_older_goes():
    assert names(kept("old", days=91), kept("new", days=89)) == ["old"]


def test_beyond_the_size_the_oldest_go_first_until_it_fits():
    there = [kept("c", days=1), kept("a", days=3), kept("b", days=2)]
    assert names(*there, most=2 * MIB) == ["a"]
    assert names(*there, most=MIB) == ["a", "b"]


def test_what_is_needed_stays_however_old_and_large():
    assert names(kept("needed", days=900, mib=9, needed=True), kept("other", days=1), most=MIB) == ["other"]


def test_zero_is_no_limit():
    assert names(kept("old", days=900, mib=900), days=0.0, most=0) == []


def test_it_is_said_why():
    by_age, by_size = choose(
        Kind.SDK, [kept("old", days=100), kept("large", mib=3)], days=90.0, most=2 * MIB, now=NOW
    )
    assert (by_age.why, by_size.why) == ("not used for 100 days", "the oldest of more than 2 MiB")
