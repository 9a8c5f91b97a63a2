"""What Python's own clients make of a server: openai, and huggingface_hub's InferenceClient. Prints JSON.

python clients.py URL PICTURE
"""
import base64
import json
import sys

import numpy as np
import openai
from huggingface_hub import InferenceClient

url, picture = sys.argv[1:]
client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
with open(picture, "rb") as file:
    uri = "data:image/png;base64," + base64.b64encode(file.read()).decode()


def bits(embedding):
    return base64.b64encode(np.array(embedding, dtype="<f4").tobytes()).decode()


def refusal(**request):
    try:
        client.embeddings.create(**request)
    except openai.APIStatusError as error:
        return {"type": type(error).__name__, "status": error.status_code, "code": error.code, "param": error.param}


texts = client.embeddings.with_raw_response.create(model="default", input=["a photo of a cat", "a rocket"])
sent = json.loads(texts.http_request.content)
parsed = texts.parse()
plain = client.embeddings.create(model="default", input="a rocket", encoding_format="float")
seen = client.embeddings.create(model="default", input=[{"image": uri}])
labels = InferenceClient(f"{url}/classify").zero_shot_image_classification(
    picture, candidate_labels=["dog", "cat"], hypothesis_template="a picture of a {}"
)
print(
    json.dumps(
        {
            "encoding": sent.get("encoding_format"),
            "texts": [bits(one.embedding) for one in parsed.data],
            "tokens": parsed.usage.total_tokens,
            "plain": bits(plain.data[0].embedding),
            "picture": bits(seen.data[0].embedding),
            "models": [one.id for one in client.models.list().data],
            "refusals": [
                refusal(model="other", input="a"),
                refusal(model="default", input="a", dimensions=8),
                refusal(model="default", input=[]),
            ],
            "labels": [[one.label, one.score] for one in labels],
        }
    )
)
