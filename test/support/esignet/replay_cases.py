"""All cases of the replay, and what is not replayed with the reason."""
import replay_authorize  # noqa: F401  (registers its cases)
import replay_clients  # noqa: F401
import replay_metadata  # noqa: F401
import replay_par_dpop  # noqa: F401
import replay_token  # noqa: F401
import replay_userinfo  # noqa: F401
from replay_scene import CASES, Scene

_MOCK_API = "the mock identity system's own administration; the seed file does it here"
NOT_REPLAYED = {
    ("probes5", "add-verified-claim phone_number"): _MOCK_API,
    ("probes5", "add-verified-claim name"): _MOCK_API,
    ("probes6", "add-verified-claim email"): _MOCK_API,
    ("probes6", "add-verified-claim phone"): _MOCK_API,
    ("probes6", "add-verified-claim fullName"): _MOCK_API,
    ("probes6", "add-verified-claim gender"): _MOCK_API,
    ("probes8", "3 parallel logins same person+client"):
        "a race on a database row, by chance; tampering callback_error:unknown_error gives what the application sees",
}

__all__ = ["CASES", "NOT_REPLAYED", "Scene"]
