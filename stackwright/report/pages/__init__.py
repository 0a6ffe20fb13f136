"""The generated pages of ``docs/``, as Markdown."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "codes": ["rules_page"],
        "parameters": ["parameters_page"],
        "preflight": ["preflight_page"],
        "protections": ["protections_page"],
        "verbs": ["OptionReference", "VerbReference", "verbs_page"],
    },
)
