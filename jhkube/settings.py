"""The name by which configuration files import `jhkube.deployment.settings`."""

from jhkube.deployment.settings import SETTINGS, Setting, SettingError, Settings, chart_schema

__all__ = ["SETTINGS", "Setting", "SettingError", "Settings", "chart_schema"]
