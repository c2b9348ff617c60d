"""The receiver of docs/webhooks.md in Python, with the requests of signed.json."""

import datetime
import json
import os
import re
from pathlib import Path

import standardwebhooks.webhooks
from standardwebhooks.webhooks import WebhookVerificationError

HERE = Path(__file__).resolve().parent
SIGNED = json.loads((HERE / "signed.json").read_text())
RECEIVER = re.search(r"```python\n(.*?)```", (HERE / "../../docs/webhooks.md").read_text(), re.S)[1]


class Clock(datetime.datetime):
    """A clock that stands still."""

    second_now = SIGNED["now"]

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(cls.second_now, tz)


def refuses(receive, headers, body):
    try:
        receive(headers, body)
    except WebhookVerificationError:
        return True
    return False


def main():
    assert len(RECEIVER.strip().splitlines()) <= 12, "the receiver is short"
    standardwebhooks.webhooks.datetime = Clock
    requests = SIGNED["requests"]
    for secret in SIGNED["secrets"]:
        os.environ["WEBHOOK_SECRET"] = secret
        names = {}
        exec(RECEIVER, names)
        receive = names["receive"]
        outcomes = [receive(request["headers"], request["body"]) for request in requests]
        assert outcomes == ["new", "old", "old", "new", "new"], outcomes

        headers, body = requests[0]["headers"], requests[0]["body"]
        assert refuses(receive, headers, body.replace("Open", "Paid"))
        assert refuses(receive, headers | {"webhook-id": requests[3]["headers"]["webhook-id"]}, body)
        Clock.second_now += 600
        assert refuses(receive, headers, body), "too old"
        Clock.second_now -= 600
    print(f"the receiver in Python: {len(requests)} requests, with each of {len(SIGNED['secrets'])} secrets")


if __name__ == "__main__":
    main()
