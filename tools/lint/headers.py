#!/usr/bin/python3
"""Every header compiles alone, with the project's warnings as errors."""

import concurrent.futures
import os
import shlex
import subprocess
import sys

import sources

FLAGS = ["-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Wconversion", "-Werror",
         "-Wno-missing-field-initializers", "-Wno-restrict", "-DTOML_HEADER_ONLY=0"]


def compile_alone(path):
    result = subprocess.run(
        [*shlex.split(os.environ.get("CXX", "g++")), *FLAGS, "-Iinclude", "-Ibench", "-Itests", "-x", "c++", "-include",
         str(path), "/dev/null"],
        cwd=sources.ROOT, capture_output=True, text=True, check=False,
    )
    return result.stderr if result.returncode != 0 else ""


def main():
    headers = sources.find((".h",), tuple(sys.argv[1:]) or sources.TOP)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(compile_alone, headers))
    sources.finish([f"{path}:1: does not compile alone\n{error}"
                    for path, error in zip(headers, results) if error])


if __name__ == "__main__":
    main()
