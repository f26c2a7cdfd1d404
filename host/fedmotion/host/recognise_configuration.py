"""What `fedmotion recognise` can be told besides what every agent can: what is told, where to and how."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from fedmotion.broker.address import Address
from fedmotion.host.configuration import AgentConfiguration
from fedmotion.host.gesture_commands import Rule, parse_rules
from fedmotion.host.gesture_output import GestureFilter, parse_quiet
from fedmotion.host.home_assistant import home_address, read_secret
from fedmotion.host.home_assistant_discovery import DEFAULT_PREFIX, Node
from fedmotion.host.plot.web_address import WebAddress, parse_address

PASSWORD_VARIABLE = "FEDMOTION_HOME_ASSISTANT_PASSWORD"  # noqa: S105 - the variable's name
TOKEN_VARIABLE = "FEDMOTION_HTTP_TOKEN"  # noqa: S105 - the variable's name
MIN_TOKEN_CHARACTERS = 16


class RecogniseConfiguration(AgentConfiguration, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent's keys, and these; the command's options have the same names."""

    min_probability: Annotated[
        float,
        msgspec.Meta(
            description="a gesture is told where its probability is at least this; a model may ask for more",
            ge=0,
            le=1,
        ),
    ] = 0.0
    quiet_s: Annotated[
        float,
        msgspec.Meta(
            description="seconds of the board's time in which the same gesture is not told again",
            ge=0,
            le=3600,
        ),
    ] = 0.0
    quiet: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="GESTURE=SECONDS: the same for one gesture; may be given more than once"),
    ] = ()
    on: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="GESTURE=COMMAND: run it for a gesture, `*` for any; may be given more than once"
        ),
    ] = ()
    shell: Annotated[
        bool, msgspec.Meta(description="commands are a shell's, with its pipes and variables")
    ] = False
    command_timeout_s: Annotated[
        float, msgspec.Meta(description="seconds after which a command is ended", gt=0, le=3600)
    ] = 10.0
    max_commands: Annotated[
        int, msgspec.Meta(description="commands at once; a gesture beyond that runs none", ge=1, le=64)
    ] = 4
    home_assistant: Annotated[
        str, msgspec.Meta(description="HOST[:PORT] of the MQTT broker that Home Assistant listens to")
    ] = ""
    home_assistant_user: Annotated[str, msgspec.Meta(description="the account there")] = ""
    home_assistant_password_file: Annotated[
        str,
        msgspec.Meta(description=f"file with the account's password; else {PASSWORD_VARIABLE} is looked at"),
    ] = ""
    home_assistant_tls: Annotated[
        bool, msgspec.Meta(description="speak TLS with that broker, port 8883 unless given")
    ] = False
    home_assistant_ca: Annotated[
        str, msgspec.Meta(description="PEM file of the authority to trust there; else the system's")
    ] = ""
    home_assistant_prefix: Annotated[
        str, msgspec.Meta(description="the discovery prefix that Home Assistant is set to")
    ] = DEFAULT_PREFIX
    home_assistant_node: Annotated[
        str, msgspec.Meta(description="this recogniser's id there; else the profile's and the host's name")
    ] = ""
    http: Annotated[
        str,
        msgspec.Meta(
            description="[HOST:]PORT to answer HTTP at; on this machine alone without HOST, 0: a free one"
        ),
    ] = ""
    http_token_file: Annotated[
        str,
        msgspec.Meta(
            description=f"file with the token that HTTP asks for; else {TOKEN_VARIABLE} is looked at"
        ),
    ] = ""
    why: Annotated[
        str,
        msgspec.Meta(
            description="folder, or one .png file, for a picture a gesture of why it was recognised"
        ),
    ] = ""

    def check(self) -> "RecogniseConfiguration":
        """Return this configuration if all in it can be; raises ValueError with key, rule and value."""
        AgentConfiguration.check(self)
        self.filter()
        self.rules()
        if self.home_assistant:
            home_address(self.home_assistant, is_tls=self.home_assistant_tls)
            self.node("default")
        elif self.home_assistant_user or self.home_assistant_tls or self.home_assistant_ca:
            raise ValueError(
                "an account or TLS for Home Assistant's broker needs home_assistant, its HOST[:PORT]"
            )
        if self.http:
            self.web_address()
        elif self.http_token_file:
            raise ValueError("http_token_file needs http, the [HOST:]PORT to answer at")
        return self

    def filter(self) -> GestureFilter:
        """Return what decides which gestures are told."""
        return GestureFilter(self.min_probability, self.quiet_s, parse_quiet(self.quiet))

    def rules(self) -> tuple[Rule, ...]:
        """Return the commands."""
        return parse_rules(self.on, is_shell=self.shell)

    def node(self, default_id: str, version: str = "") -> Node:
        """Return this recogniser as Home Assistant knows it."""
        return Node(self.home_assistant_node or default_id, self.home_assistant_prefix, version)

    def address(self, environment: Mapping[str, str] = os.environ) -> Address:
        """Return Home Assistant's broker and the account there; raises ValueError where it cannot be."""
        password = environment.get(PASSWORD_VARIABLE, "") if self.home_assistant_user else ""
        if self.home_assistant_password_file:
            path = Path(self.home_assistant_password_file)
            password = read_secret(path, "the password for Home Assistant's broker")
        return home_address(
            self.home_assistant,
            user=self.home_assistant_user,
            password=password,
            is_tls=self.home_assistant_tls,
            authority=self.home_assistant_ca,
        )

    def web_address(self) -> WebAddress:
        """Return where HTTP is answered."""
        return parse_address(self.http, "--http")

    def token(self, environment: Mapping[str, str] = os.environ) -> str:
        """Return the token that HTTP asks for, empty for none; raises ValueError where it is too short."""
        token = environment.get(TOKEN_VARIABLE, "")
        if self.http_token_file:
            token = read_secret(Path(self.http_token_file), "the token for HTTP")
        if token and len(token) < MIN_TOKEN_CHARACTERS:
            raise ValueError(
                f"a token has at least {MIN_TOKEN_CHARACTERS} characters, got {len(token)}: "
                "`openssl rand -hex 16` makes one"
            )
        return token
