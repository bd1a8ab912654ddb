"""The name by which configuration files import `jhkube.deployment.settings`."""

from jhkube.deployment.schemas import chart_schema
from jhkube.deployment.settings import SETTINGS, Setting, SettingError, Settings

__all__ = ["SETTINGS", "Setting", "SettingError", "Settings", "chart_schema"]
