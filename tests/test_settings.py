"""What the environment may say, and what is refused before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from headshots_mcp.settings import Settings, SettingsRefused


def test_nothing_set_means_the_real_api_and_no_token() -> None:
    assert Settings.from_environment({}) == Settings(
        base_url="https://api.acedata.cloud", token=None, timeout=20.0, log_level="WARNING"
    )


@pytest.mark.parametrize(
    ("variable", "value", "field", "expected"),
    [
        ("ACEDATACLOUD_API_TOKEN", " abc-1.2_3~4+5/6== ", "token", "abc-1.2_3~4+5/6=="),
        ("ACEDATACLOUD_API_TOKEN", "Bearer abc", "token", "abc"),
        ("ACEDATACLOUD_API_TOKEN", "  ", "token", None),
        ("ACEDATACLOUD_API_TOKEN", "${user_config.token}", "token", None),
        (
            "ACEDATACLOUD_API_BASE_URL",
            "https://gateway.example:8443/ace/",
            "base_url",
            "https://gateway.example:8443/ace",
        ),
        ("ACEDATACLOUD_API_BASE_URL", "http://[::1]:9000", "base_url", "http://[::1]:9000"),
        ("ACEDATACLOUD_API_BASE_URL", "", "base_url", "https://api.acedata.cloud"),
        ("HEADSHOTS_TIMEOUT", "2.5", "timeout", 2.5),
        ("HEADSHOTS_TIMEOUT", "300", "timeout", 300.0),
        ("HEADSHOTS_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("HEADSHOTS_IMAGE_HOSTS", " ", "image_hosts", ()),
        (
            "HEADSHOTS_IMAGE_HOSTS",
            "Pictures.example.com, http://localhost:9000/ https://*.example.org,pictures.example.com",
            "image_hosts",
            ("https://pictures.example.com", "http://localhost:9000", "https://*.example.org"),
        ),
        ("HEADSHOTS_SAVE_DIR", str(Path.cwd() / "pictures"), "save_dir", Path.cwd() / "pictures"),
        ("HEADSHOTS_SAVE_DIR", "~/Pictures", "save_dir", Path.home() / "Pictures"),
        ("HEADSHOTS_SAVE_DIR", "${user_config.folder}", "save_dir", None),
    ],
)
def test_a_setting_is_read(variable: str, value: str, field: str, expected: object) -> None:
    assert getattr(Settings.from_environment({variable: value}), field) == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *(
            ("ACEDATACLOUD_API_TOKEN", v)
            for v in ("se cret", "sécret", "sec\r\nret", "${SECRET}", '"secret"', "<secret>")
        ),
        *(
            ("ACEDATACLOUD_API_BASE_URL", v)
            for v in (
                "api.acedata.cloud",
                "ftp://secret",
                "https://",
                "https://secret:99999",
                "https://secret:0",
                "https://sec ret",
                "https://user:secret@host",
                "https://host/?secret=1",
                "https://host/#secret",
                "https://sécret.example",
                "https://host?",
                "https://host#",
                "https:///secret",
                "https:secret",
                "https:\\\\secret",
                "http://host:9\\secret",
                "http://host\n:9",
            )
        ),
        *(("HEADSHOTS_TIMEOUT", v) for v in ("secret", "0", "0.9", "301", "-5", "nan", "inf", "20s")),
        ("HEADSHOTS_LOG_LEVEL", "secret"),
        *(("HEADSHOTS_SAVE_DIR", v) for v in ("secret", "./secret", "~secret-nobody-has/x", "/secret\udcff")),
        *(
            ("HEADSHOTS_IMAGE_HOSTS", v)
            for v in (
                "*",
                "https:",
                "https://",
                "ftp://secret",
                "secret/path",
                "secret; script-src *",
                "a.example;secret",
                "'self'",
                "secret:port",
                "secret.*",
                "-secret",
                "sécret.example",
                "user:secret@host",
                "a" * 300,
            )
        ),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name_and_without_its_value(variable: str, value: str) -> None:
    with pytest.raises(SettingsRefused, match=f"^{variable} ") as refused:
        Settings.from_environment({variable: value})

    assert "\n" not in str(refused.value)
    assert "ecret" not in str(refused.value).lower()


def test_the_token_stays_out_of_a_printed_settings_object() -> None:
    assert "abc" not in repr(Settings.from_environment({"ACEDATACLOUD_API_TOKEN": "abc"}))
