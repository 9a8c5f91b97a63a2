"""Embeds a list of pictures with Spark: `rdd.pipe` gives each partition to a process of `edgeclip embed --stream`.

spark-submit embed.py LIST OUTPUT: LIST has a path or address a line; OUTPUT gets Parquet with key, embedding and error.
"""

import json
import os
import re
import sys

from pyspark.sql import SparkSession

SCHEMA = 'key string not null, embedding array<float>, error string'
# Spark runs a task on each core: a process has one thread.
COMMAND = os.environ.get('EDGECLIP', 'edgeclip embed --stream --threads 1')
# Without these the process has an empty environment: Node.js is not found.
ENVIRONMENT = {name: os.environ[name] for name in ('PATH', 'HOME') if name in os.environ}
# What is lost with a process: two minutes of work or so.
PICTURES_A_PARTITION = int(os.environ.get('PICTURES_A_PARTITION', '5000'))


def question(key):
    kind = 'url' if re.match('https?://', key, re.IGNORECASE) else 'path'
    return json.dumps({'id': key, kind: key})


def row(answer):
    answer = json.loads(answer)
    return answer['id'], answer.get('embedding'), answer.get('error')


def main(pictures, output):
    spark = SparkSession.builder.appName('edgeclip').getOrCreate()
    keys = spark.sparkContext.textFile(pictures).filter(lambda key: key.strip() != '')
    partitions = max(1, -(-keys.count() // PICTURES_A_PARTITION))
    # checkCode: a process that dies fails its task, which Spark tries again. Otherwise its other rows would be missing.
    answers = keys.repartition(partitions).map(question).pipe(COMMAND, env=ENVIRONMENT, checkCode=True)
    spark.createDataFrame(answers.map(row), SCHEMA).write.parquet(output)
    spark.stop()


main(*sys.argv[1:])
