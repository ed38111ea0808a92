from . import api, policy_host
