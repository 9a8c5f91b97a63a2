"""Embeds a list of pictures with Ray: each actor keeps a process of `edgeclip embed --stream`, and writes parts.

python embed.py LIST OUTPUT: LIST has a path or address a line; OUTPUT, a folder that all machines see or an address such as
s3://bucket/prefix, gets Parquet with key, embedding and error. Run again, it makes the parts that are missing.
"""

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from pyarrow import fs
from ray.util import ActorPool

SCHEMA = pa.schema([
    pa.field('key', pa.string(), nullable=False),
    ('embedding', pa.list_(pa.field('element', pa.float32(), nullable=False))),
    ('error', pa.string()),
])
# Ray runs an actor on each core: a process has one thread.
COMMAND = shlex.split(os.environ.get('EDGECLIP', 'edgeclip embed --stream --threads 1'))
# What is lost with a process: two minutes of work or so.
PICTURES_A_PART = int(os.environ.get('PICTURES_A_PART', '5000'))


def question(key):
    kind = 'url' if re.match('https?://', key, re.IGNORECASE) else 'path'
    return json.dumps({'id': key, kind: key}) + '\n'


def ask(process, keys):
    try:
        for key in keys:
            process.stdin.write(question(key))
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it died: who reads its answers says so


@ray.remote(num_cpus=1, max_restarts=-1)
class Embedder:
    def __init__(self, output):
        self.files, self.folder = fs.FileSystem.from_uri(output)
        self.process = None

    # An actor that dies and a process that dies alike: the part is made again.
    @ray.method(max_task_retries=3, retry_exceptions=[ChildProcessError])
    def part(self, number, keys):
        path = f'{self.folder}/part-{number:05}.parquet'
        if self.files.get_file_info(path).type == fs.FileType.File:
            return 0, 0
        answers = self.answers(keys)
        rows = [{'key': one['id'], 'embedding': one.get('embedding'), 'error': one.get('error')} for one in answers]
        unfinished = f'{path}.{os.getpid()}.unfinished'
        with self.files.open_output_stream(unfinished) as stream:
            pq.write_table(pa.Table.from_pylist(rows, SCHEMA), stream)
        self.files.move(unfinished, path)
        return len(rows), sum(one['error'] is not None for one in rows)

    def answers(self, keys):
        if self.process is None:
            self.process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding='utf-8')
        # Pipes hold little: answers are read while the questions are written.
        writer = threading.Thread(target=ask, args=(self.process, keys))
        writer.start()
        lines = list(itertools.islice(self.process.stdout, len(keys)))
        writer.join()
        if len(lines) < len(keys):
            code = self.process.wait()
            self.process = None
            raise ChildProcessError(f'edgeclip ended with {code}, {len(lines)} of {len(keys)} pictures were answered')
        return [json.loads(line) for line in lines]


def parts(path):
    """The number of each part, and its keys."""
    with open(path, encoding='utf-8') as lines:
        keys = (line.rstrip('\n') for line in lines if line.strip() != '')
        for number in itertools.count():
            some = list(itertools.islice(keys, PICTURES_A_PART))
            if not some:
                return
            yield number, some


def results(pool, todo):
    """One part for each actor at a time: the list stays on disk, whatever its length."""
    for number, keys in todo:
        if not pool.has_free():
            yield pool.get_next_unordered()
        pool.submit(lambda actor, part: actor.part.remote(*part), (number, keys))
    while pool.has_next():
        yield pool.get_next_unordered()


def main(pictures, output):
    ray.init()
    if '://' not in output:
        output = os.path.abspath(output)
    files, folder = fs.FileSystem.from_uri(output)
    files.create_dir(folder)
    pool = ActorPool([Embedder.remote(output) for _ in range(int(ray.cluster_resources()['CPU']))])
    done = failed = 0
    for pictures_of_part, failed_of_part in results(pool, parts(pictures)):
        done += pictures_of_part
        failed += failed_of_part
    print(f'{done} pictures, {failed} of them failed')


main(*sys.argv[1:])
