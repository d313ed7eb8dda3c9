"""From measured costs and stated assumptions to servers, processes, money and walls: arithmetic only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from load_tests.sizing.costs import Costs
from load_tests.sizing.owners import GB, Residency

DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What cannot be measured here. Each is a flag of the command; prices are in any money, for a month."""

    owners: int = 1_000_000
    memories: int = 100_000_000
    adds_per_owner_day: float = 10.0
    searches_per_owner_day: float = 20.0
    turns_per_owner_day: float = 10.0
    peak_factor: float = 4.0
    replicas: int = 3
    vector_compression: float = 0.95
    text_compression: float = 0.5
    hot_share: float = 0.1
    server_ram_gb: float = 128.0
    server_cache_share: float = 0.5
    server_disk_gb: float = 2_000.0
    server_vcpus: float = 16.0
    disk_fill: float = 0.7
    commands_per_s: float = 15_000.0
    process_ram_gb: float = 4.0
    process_index_gb: float = 2.0
    cpu_busy: float = 0.5
    most_indexed: int = 100_000
    price_vcpu: float = 25.0
    price_ram_gb: float = 3.5
    price_disk_gb: float = 0.1

    def per_s(self) -> dict[str, float]:
        """Return the operations a second at the peak."""
        daily = {
            "add": self.adds_per_owner_day,
            "search": self.searches_per_owner_day,
            "turn": self.turns_per_owner_day,
        }
        return {name: self.owners * number / DAY_S * self.peak_factor for name, number in daily.items()}


def assumed() -> Mapping[str, Any]:
    """Return the flags with their defaults."""
    return {one.name: one.default for one in fields(Assumptions)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """What ends first. at_memories: of all owners, the number of owners growing with them."""

    name: str
    at_memories: float
    then: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """data_gb, index_gb: of all memories, once. cache_gb: what the servers should hold in memory."""

    data_gb: float
    index_gb: float
    cache_gb: float
    shards_by: dict[str, float]
    shards: int
    operations_per_s: dict[str, float]
    commands_per_s: float
    cpu_cores: float
    processes: int
    money: dict[str, float]
    walls: tuple[Wall, ...]


def planned(costs: Costs, commands: Mapping[str, float], largest: int, best: Residency, a: Assumptions) -> Plan:
    """commands: by operation. largest: how many memories the largest owner has. best: of the processes as planned."""
    stored = _stored_bytes(costs, a)
    data_gb, index_gb = (a.memories * one / GB for one in (stored, costs.mongo.index))
    cache_gb = index_gb + a.hot_share * data_gb
    per_s = a.per_s()
    total = _commands_per_s(per_s, commands)
    by = {
        "memory": cache_gb / (a.server_ram_gb * a.server_cache_share),
        "disk": (data_gb + index_gb) / (a.server_disk_gb * a.disk_fill),
        "commands": total / a.commands_per_s,
    }
    shards = max(1, math.ceil(max(by.values())))
    missed_ms = best.loaded * costs.load_ms
    cores = sum(per_s[name] * costs.cpu_ms[name] for name in per_s) / 1000
    cores += (per_s["search"] + per_s["turn"]) * missed_ms / 1000
    processes = math.ceil(cores / a.cpu_busy)
    money = {
        "database": shards * a.replicas * (a.server_ram_gb * a.price_ram_gb + a.server_vcpus * a.price_vcpu),
        "disks": (data_gb + index_gb) / a.disk_fill * a.replicas * a.price_disk_gb,
        "processes": processes * (a.price_vcpu + a.process_ram_gb * a.price_ram_gb),
    }
    return Plan(
        data_gb=data_gb,
        index_gb=index_gb,
        cache_gb=cache_gb,
        shards_by=by,
        shards=shards,
        operations_per_s=per_s,
        commands_per_s=total,
        cpu_cores=cores,
        processes=processes,
        money={**money, "together": sum(money.values())},
        walls=tuple(sorted(_walls(costs, total, largest, stored, a), key=lambda one: one.at_memories)),
    )


def _stored_bytes(costs: Costs, a: Assumptions) -> float:
    vector = costs.mongo.fields.get("embedding", 0.0)
    return vector * a.vector_compression + (costs.mongo.document - vector) * a.text_compression


def _commands_per_s(per_s: Mapping[str, float], commands: Mapping[str, float]) -> float:
    """One more for each read: an owner's requests are seconds apart, so the index looks for changes each time."""
    return sum(per_s[name] * (commands[name] + (name != "add")) for name in per_s)


def _walls(costs: Costs, commands_per_s: float, largest: int, stored: float, a: Assumptions) -> list[Wall]:
    share = largest / a.memories
    ram, disk = a.server_ram_gb * a.server_cache_share * GB, a.server_disk_gb * a.disk_fill * GB
    vector = costs.mongo.fields.get("embedding", 1.0)
    return [
        Wall(
            name="the largest owner is past the index in memory",
            at_memories=a.most_indexed / share,
            then="the stores' own arms serve that owner: words by $text, vectors by the graph in memory",
        ),
        Wall(
            name="memory of one database server",
            at_memories=ram / (costs.mongo.index + a.hot_share * stored),
            then="shard by source_user_id, or a larger server",
        ),
        Wall(
            name="disk of one database server",
            at_memories=disk / (costs.mongo.index + stored),
            then="shard by source_user_id",
        ),
        Wall(
            name="commands of one primary",
            at_memories=a.memories * a.commands_per_s / commands_per_s,
            then="shard by source_user_id",
        ),
        Wall(
            name="the largest owner's vectors fit no process",
            at_memories=a.process_ram_gb * GB / vector / share,
            then="a hosted vector index (pinecone://) for all, or a process with more memory",
        ),
        Wall(
            name="the largest owner fills a shard",
            at_memories=disk / (costs.mongo.index + stored) / share,
            then="split that owner by agent or project: a chunk cannot be split within one source_user_id",
        ),
    ]
