# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the emulated load balancer check the stand-ins that are its targets, and send calls to healthy ones alone.

The emulator calls every target healthy. The rules played are those of "Health checks for Application Load Balancer
target groups" (docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html); only
the time until a new target counts as healthy is shortened. Targets of other kinds are left as they are.
"""

from __future__ import annotations

import dataclasses
import functools
import http.client
import itertools
import time
import typing as t

Record = dict[str, t.Any]


@dataclasses.dataclass
class Target:
    """One stand-in in one target group.

    :param good: successful checks in a row
    :param bad_since: when the failing checks began
    """

    name: str
    port: int
    state: str = "initial"
    reason: str = "Elb.RegistrationInProgress"
    good: int = 0
    bad_since: float | None = None
    in_flight: int = 0
    draining_since: float | None = None
    checked: float | None = None

    def is_due(self, interval: float, now: float) -> bool:
        """Tell whether to check it: a healthy one at its interval, another at once, so that nobody has to wait."""
        steady = self.state == "healthy" and self.bad_since is None
        return not steady or self.checked is None or now - self.checked >= interval


def matches(matcher: str, status: int) -> bool:
    """Compare a status with a matcher such as 200, 200,202 or 200-299."""
    for part in matcher.split(","):
        first, _, last = part.strip().partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False


def probe(group: Record, port: int) -> bool:
    """Ask a target what its group's health check asks."""
    timeout = float(group.get("HealthCheckTimeoutSeconds") or 5)
    matcher = group.get("Matcher") or {}
    codes = str(matcher.get("HttpCode") or "200") if isinstance(matcher, dict) else str(matcher)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", group.get("HealthCheckPath") or "/", headers={"User-Agent": "ELB-HealthChecker/2.0"})
        return matches(codes, connection.getresponse().status)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def judge(target: Target, group: Record, good: bool, now: float) -> None:
    """Note what a check has found.

    Healthy after HealthyThresholdCount successes in a row, unhealthy after UnhealthyThresholdCount intervals of
    failures; a target that was never healthy stays initial until then.
    """
    if target.state == "draining":
        return
    if good:
        target.good, target.bad_since = target.good + 1, None
        if target.good >= int(group.get("HealthyThresholdCount") or 5):
            target.state, target.reason = "healthy", ""
        return
    target.good, target.bad_since = 0, target.bad_since if target.bad_since is not None else now
    limit = int(group.get("UnhealthyThresholdCount") or 2) * float(group.get("HealthCheckIntervalSeconds") or 30)
    if now - target.bad_since >= limit:
        target.state, target.reason = "unhealthy", "Target.FailedHealthChecks"


def choose(targets: t.Iterable[Target], turn: int) -> Target | None:
    """Return the one whose turn it is.

    "If a target group contains only unhealthy registered targets, the load balancer routes requests to all those
    targets, regardless of their health status."
    """
    registered = [item for item in targets if item.state != "draining"]
    able = [item for item in registered if item.state == "healthy"] or registered
    return able[turn % len(able)] if able else None


class Targets:
    """The stand-ins that are targets, by target group.

    :param balancer: the emulator's module
    """

    def __init__(self, balancer: t.Any) -> None:
        self.balancer = balancer
        self.groups: dict[str, dict[str, Target]] = {}
        self._turns = itertools.count()

    def add(self, arn: str, name: str, port: int) -> None:
        """Register a stand-in, once."""
        if arn in self.balancer._tgs and name not in self.groups.get(arn, {}):
            self.groups.setdefault(arn, {})[name] = Target(name, port)
            registered = self.balancer._targets.setdefault(arn, [])
            if all(item["Id"] != name for item in registered):
                registered.append({"Id": name, "Port": int(self.balancer._tgs[arn].get("Port") or 80)})

    def known(self, arn: str) -> list[Target]:
        """Return the stand-ins of a group; those that a restarted emulator still has to find have no port yet."""
        found = self.groups.get(arn, {})
        names = [str(item["Id"]) for item in self.balancer._targets.get(arn, [])]
        return [found.get(name) or Target(name, 0) for name in names if name.startswith("i-")]

    def state(self, arn: str, name: str) -> str:
        """Return how a stand-in is doing; none: it is not a target."""
        target = self.groups.get(arn, {}).get(name)
        return target.state if target else "none"

    def drained(self, arn: str, name: str, now: float) -> bool:
        """Take a stand-in out; True once nothing is in flight or the group's delay has passed.

        "If a deregistering target has no in-flight requests and no active connections, Elastic Load Balancing
        immediately completes the deregistration process".
        """
        target = self.groups.get(arn, {}).get(name)
        if target is not None:
            if target.draining_since is None:  # a call may be on its way at this moment: it counts the next time
                target.draining_since = now
                target.state, target.reason = "draining", "Target.DeregistrationInProgress"
                return False
            if target.in_flight and now - target.draining_since < self._delay(arn):
                return False
            self.groups[arn].pop(name)
        kept = [item for item in self.balancer._targets.get(arn, []) if item["Id"] != name]
        if arn in self.balancer._targets:
            self.balancer._targets[arn] = kept
        return True

    def _delay(self, arn: str) -> float:
        attributes = {item["Key"]: item["Value"] for item in self.balancer._tg_attrs.get(arn, [])}
        return float(attributes.get("deregistration_delay.timeout_seconds") or 300)

    def check(self) -> None:
        """Check every target once; this asks them, so it takes time."""
        for arn, targets in list(self.groups.items()):
            for group in [item for key, item in list(self.balancer._tgs._data.items()) if key[2] == arn]:
                interval = float(group.get("HealthCheckIntervalSeconds") or 30)
                for target in list(targets.values()):
                    if target.is_due(interval, time.monotonic()):
                        judge(target, group, probe(group, target.port), time.monotonic())
                        target.checked = time.monotonic()

    def install(self) -> None:
        """Put this into the emulator's load balancer."""
        forward, describe = self.balancer._forward_to_tg, self.balancer._describe_target_health

        @functools.wraps(forward)
        async def forwarded(arn: str, *call: t.Any, **more: t.Any) -> t.Any:
            known = self.known(arn)
            if not known:
                return await forward(arn, *call, **more)
            target = choose([item for item in known if item.port], next(self._turns))
            if target is None:
                return 503, {"Content-Type": "text/html"}, b"<h1>503 Service Temporarily Unavailable</h1>\n"
            return await self._pass_on(target, self.balancer._tgs.get(arn), *call, **more)

        def described(params: dict[str, t.Any]) -> t.Any:
            arn = self.balancer._p(params, "TargetGroupArn")
            known = self.known(arn)
            if not known:
                return describe(params)
            asked = {item["Id"] for item in self.balancer._parse_targets_param(params)}
            port = self.balancer._tgs[arn].get("Port") or 80
            found = [item for item in known if not asked or item.name in asked]
            content = "".join(self._described(item, port) for item in found)
            inner = f"<TargetHealthDescriptions>{content}</TargetHealthDescriptions>"
            return self.balancer._xml(200, "DescribeTargetHealth", inner)

        self.balancer._forward_to_tg = forwarded
        self.balancer._describe_target_health = described
        self.balancer._ACTION_MAP["DescribeTargetHealth"] = described

    def own_every_path(self, app: t.Any) -> None:
        """Let a load balancer have the paths that the emulator keeps for itself at any host, /health among them."""
        before = app._handle_pre_body_request

        @functools.wraps(before)
        async def handle(method: str, path: str, headers: dict[str, str], *rest: t.Any) -> t.Any:
            hosts = {item["DNSName"].lower() for item in list(self.balancer._lbs._data.values())}
            if headers.get("host", "").partition(":")[0].lower() in hosts:
                return None
            return await before(method, path, headers, *rest)

        app._handle_pre_body_request = handle

    def _described(self, target: Target, port: int) -> str:
        reason = f"<Reason>{target.reason}</Reason>" if target.reason else ""
        health = f"<TargetHealth><State>{target.state}</State>{reason}</TargetHealth>"
        return f"<member><Target><Id>{target.name}</Id><Port>{port}</Port></Target>{health}</member>"

    async def _pass_on(
        self, target: Target, group: Record, method: str, path: str, headers: t.Any, body: t.Any, query: t.Any,
        raw_query: t.Any = None, raw_path: t.Any = None,
    ) -> t.Any:  # fmt: skip
        """Send a call to a stand-in, and count it as long as it is in flight."""
        address = {"Id": "127.0.0.1", "Port": target.port}
        path = raw_path or path
        target.in_flight += 1
        try:
            status, found, content = await self.balancer._proxy_http_target(
                address, group, method, path, headers, body, query, raw_query
            )
        except BaseException:
            target.in_flight -= 1
            raise
        if isinstance(content, bytes):
            target.in_flight -= 1
            return status, found, content

        async def counted(send: t.Any, receive: t.Any) -> None:
            try:
                await content.runner(send, receive)
            finally:
                target.in_flight -= 1

        return status, found, type(content)(counted)
