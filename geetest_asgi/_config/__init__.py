"""Check the user's settings and fill in defaults. Every mistake raises ConfigError."""

from .credentials import credentials as credentials
from .credentials import given_credentials as given_credentials
from .policies import PER_RULE as PER_RULE
from .policies import build_policy as build_policy
from .policies import build_table as build_table
from .policies import mode as mode
from .servers import api_servers as api_servers
from .servers import is_loopback as is_loopback
from .values import choice as choice
from .values import client as client
from .values import hook as hook
from .values import limits as limits
from .values import plain_hook as plain_hook
from .values import statuses as statuses
from .values import switch as switch
from .values import takes as takes
