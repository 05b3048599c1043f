"""Report the results of the calls to the servers, in words."""

from .report import Report, columns, shown
from .service import Pair, Server, Service, ask
from .tables import shortened
from .verdicts import answered, on_pair, why_not

_NOT_SEEN = (
    "the captcha_id in your page is not looked at: --page URL does. Where nearly all visitors are refused, the running "
    "site logs the warning lockout_begins: see docs/observability.md"
)


def write_service(report: Report, service: Service, *, page: bool) -> None:
    """Ask, and say whether the servers answer and the pairs work. `page`: one is looked at afterwards."""
    if not service.servers:
        return
    ask(service)
    report.head("Servers")
    _write_servers(report, service)
    report.head("Ids and keys")
    for pair in service.pairs:
        _write_pair(report, pair, service)
    for name in service.by_request:
        report.say("note", f"{shown(name)}  its id and key come with each request, and are not looked at")
    if not page:
        report.say("note", _NOT_SEEN)


def _write_servers(report: Report, service: Service) -> None:
    working = any(answered(server.first) for server in service.servers)
    rows = iter(columns([_times(server) for server in service.servers if answered(server.first)] or [[]]))
    for server in service.servers:
        if answered(server.first):
            report.say("ok", next(rows))
        else:
            trouble = f"; {shown(server.trouble)}" if server.trouble else ""
            report.say("warn" if working else "FAIL", f"{server.url}  {why_not(server.first)}{trouble}")


def _times(server: Server) -> list[str]:
    def ms(seconds: float) -> str:
        return f"{seconds * 1000:.0f} ms"

    address = server.addresses[0] if server.addresses else "address unknown"
    return [
        server.url,
        address,
        f"look-up {ms(server.lookup)}",
        f"first call {ms(server.first.elapsed)}",
        f"then {ms(server.again.elapsed)}",
    ]


def _write_pair(report: Report, pair: Pair, service: Service) -> None:
    if not any(answered(server.first) for server in pair.servers):
        report.say("FAIL", f"{shown(pair.captcha_id)}  not looked at: no server answers")
        return
    mark, why = on_pair(pair.right, pair.wrong)
    if mark == "FAIL" and any(on_pair(other.right, other.wrong)[0] != "FAIL" for other in service.beside(pair)):
        mark, why = "warn", f"one of its keys does not work, another does ({shown(pair.right.reason)})"
    if mark != "ok" and len(service.pairs) > 1:
        why += f"; used by {shown(', '.join(pair.rules))}"
    captcha_id = shown(pair.captcha_id) if mark == "FAIL" else shortened(pair.captcha_id)
    report.say(mark, f"{captcha_id}  {why}")
