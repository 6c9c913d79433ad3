"""Old botocore, taught the variable AWS_ENDPOINT_URL.

Lives here: an import hook that costs one comparison an import until botocore is imported.
Does not live here: botocore from 1.31 on, which reads the variable itself.
Contract: AWS SDKs and Tools Reference Guide, "Service-specific endpoints".
"""
import os
import sys

_MODULE = "botocore.session"
_SINCE = (1, 31)


def install():
    """Without the variable it changes nothing; in a process that is forked, it may be set later."""
    if _MODULE not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    def find_spec(self, name, path=None, target=None):
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        import importlib.util

        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                _teach(module)

            spec.loader.exec_module = exec_module
        return spec


def _teach(module):
    version = tuple(int(part) for part in sys.modules["botocore"].__version__.split(".")[:2])
    if version >= _SINCE:
        return
    create_client = module.Session.create_client

    def create_client_at_endpoint(self, service_name, *arguments, **options):
        # endpoint_url is the sixth parameter after the service's name; a caller that gives it means it.
        if len(arguments) < 5 and options.get("endpoint_url") is None:
            endpoint = _endpoint_of(service_name)
            if endpoint:
                options["endpoint_url"] = endpoint
        return create_client(self, service_name, *arguments, **options)

    module.Session.create_client = create_client_at_endpoint


def _endpoint_of(service_name):
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    specific = "AWS_ENDPOINT_URL_" + service_name.upper().replace("-", "_").replace(" ", "_")
    return os.environ.get(specific) or os.environ.get("AWS_ENDPOINT_URL")
