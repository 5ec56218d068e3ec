"""Judges what was acknowledged against what arrived, from the ledgers of both sides. Pure: values in,
a verdict out; tested by kill_test.py itself with ledgers that are known to be wrong."""

import collections


class Verdict:
    """acknowledged: (id, recipient) for each recipient answered with 250. arrivals: (id, recipient,
    state) for each one that a server took, in order. bounced: (id, recipient) that the event log gives
    up on. restarts: how many arrivals there were at each restart of the relay, in rising order."""

    def __init__(self, acknowledged, arrivals, bounced=(), restarts=()):
        arrived = collections.Counter((id, recipient) for id, recipient, _ in arrivals)
        settled = arrived.keys() | set(bounced)
        self.missing = sorted(set(acknowledged) - settled)
        self.corrupt = [entry for entry in arrivals if entry[2] != "ok"]
        self.duplicates = sum(count - 1 for count in arrived.values())
        self.both = sorted(arrived.keys() & set(bounced))
        self.within_one_life = self._within_one_life(arrivals, list(restarts))

    @staticmethod
    def _within_one_life(arrivals, restarts):
        """Duplicates whose copies came from the same process: no crash explains those."""
        found = 0
        for first, end in zip([0, *restarts], [*restarts, len(arrivals)]):
            life = collections.Counter(entry[:2] for entry in arrivals[first:end])
            found += sum(count - 1 for count in life.values())
        return found

    def __str__(self):
        return (f"{len(self.missing)} missing {self.missing[:3]}, {len(self.corrupt)} corrupt "
                f"{self.corrupt[:3]}, {self.duplicates} duplicates ({self.within_one_life} within "
                f"one life), {len(self.both)} delivered and bounced {self.both[:3]}")
