import pytest
import yaml


@pytest.fixture
def method(tmp_path):
    """Writes a method's file."""

    def write(name, content):
        path = tmp_path / f"{name}.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return str(path)

    return write
