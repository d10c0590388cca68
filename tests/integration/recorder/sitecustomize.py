"""Loaded by every Python that has this folder on its PYTHONPATH: notes each call of botocore in the file $RECORDED_CALLS."""

# Copyright (c) 2026, popcon.deploy contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.machinery
import json
import os
import sys


class _Finder:
    """Botocore as it is, but for one method. It is not imported here, as most Pythons don't need it."""

    @staticmethod
    def find_spec(name, path=None, _target=None):
        if name != "botocore.client":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def load_and_patch(module):
            load(module)
            call = module.BaseClient._make_api_call

            def noted(client, operation, params):
                told = {key: value for key, value in params.items() if key != "Value"}
                with open(os.environ["RECORDED_CALLS"], "a", encoding="utf-8") as file:
                    file.write(json.dumps([client.meta.service_model.service_name, operation, told]) + "\n")
                return call(client, operation, params)

            module.BaseClient._make_api_call = noted

        spec.loader.exec_module = load_and_patch
        return spec


sys.meta_path.insert(0, _Finder)
