import { loadClip } from 'edgeclip/worker';

const $ = (id) => document.getElementById(id);
const [drop, file, preview, labels, status, error, ranking] =
  ['drop', 'file', 'preview', 'labels', 'status', 'error', 'ranking'].map($);

/** How long typing must pause before the labels are embedded. */
const PAUSE_MS = 250;

// The photo's embedding and the classifier come one by one, as each is changed by the user alone.
let model;
let embedding;
let classifier;

function say(text, found = false) {
  status.textContent = text;
  status.classList.toggle('found', found);
}

function fail(problem) {
  error.textContent = problem ? problem.message[0].toUpperCase() + problem.message.slice(1) : '';
  error.hidden = !problem;
}

/** Runs the newest of its calls: an older one that still runs is aborted. */
function newest(work) {
  let controller = new AbortController();
  return async (...args) => {
    controller.abort();
    controller = new AbortController();
    const { signal } = controller;
    try {
      await work(signal, ...args);
    } catch (problem) {
      if (!signal.aborted) fail(problem);
    }
  };
}

const takePhoto = newest(async (signal, photo) => {
  fail();
  embedding = undefined;
  ranking.replaceChildren();
  say(model ? 'Looking at the photo …' : status.textContent);
  show(photo);
  const { clip } = await loading;
  try {
    embedding = await clip.encodeImage(photo, { orient: true, signal });
  } catch (problem) {
    if (!signal.aborted) {
      show(undefined);
      say('This photo cannot be read.');
    }
    throw problem;
  }
  await rank();
});

const takeLabels = newest(async (signal) => {
  fail();
  const list = [...new Set(labels.value.split('\n').map((line) => line.trim()))].filter(Boolean);
  classifier = undefined;
  const { clip } = await loading;
  if (list.length > 0) classifier = await clip.classifier(list, { templates: 'openai-7', signal });
  await rank();
});

async function rank() {
  if (!model) return;
  if (!embedding) return say(error.hidden ? 'Choose a photo.' : status.textContent);
  if (!classifier) return say('Type a label.');
  const ranked = await classifier.classify(embedding);
  const percent = (score) => `${(100 * score).toFixed(1)} %`;
  ranking.replaceChildren(
    ...ranked.map(({ label, score }) => {
      const item = document.createElement('li');
      const [name, number, bar, value] = ['span', 'span', 'span', 'i'].map((tag) => document.createElement(tag));
      [name.className, number.className, bar.className] = ['label', 'score', 'bar'];
      [name.textContent, number.textContent] = [label, percent(score)];
      bar.append(value);
      item.append(name, number, bar);
      requestAnimationFrame(() => (value.style.width = `${100 * score}%`));
      return item;
    }),
  );
  const [best] = ranked;
  say(`${best.label}, ${percent(best.score)}`, true);
}

/** The photo in the box, or the invitation to choose one. */
function show(photo) {
  URL.revokeObjectURL(preview.src);
  if (photo) preview.src = URL.createObjectURL(photo);
  else preview.removeAttribute('src');
  preview.alt = photo ? `The chosen photo, ${photo.name || 'pasted'}` : '';
  preview.hidden = $('another').hidden = !photo;
  $('invitation').hidden = Boolean(photo);
  drop.classList.toggle('filled', Boolean(photo));
}

function onProgress({ tower, loaded, total }) {
  const part = loaded / total;
  $('loading').value = tower === 'image' ? part * 0.4 : 0.4 + part * 0.6;
  say(`Loading the model: ${Math.round(100 * $('loading').value)} %`);
}

const loading = loadClip({ onProgress }).then((clip) => {
  model = clip;
  $('loading').hidden = true;
  say('Choose a photo.');
  return { clip };
});
loading.then(keepForOffline, (problem) => {
  $('loading').hidden = true;
  say('The model could not be loaded.');
  fail(problem);
});

/** After loading, so that nothing is transferred twice: by then the files are in the browser's own cache. */
async function keepForOffline() {
  if (!('serviceWorker' in navigator) || import.meta.env.DEV) return;
  await navigator.serviceWorker.register('./service-worker.js');
  await navigator.serviceWorker.ready;
  $('offline').textContent = 'Ready to work offline.';
}

file.addEventListener('change', () => file.files[0] && takePhoto(file.files[0]));
for (const kind of ['dragover', 'dragleave', 'drop']) {
  // On the whole window, so that a photo that misses the box does not replace the page.
  addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle('over', kind === 'dragover');
    const [photo] = kind === 'drop' ? event.dataTransfer.files : [];
    if (photo) takePhoto(photo);
  });
}
addEventListener('paste', ({ clipboardData }) => {
  const [photo] = clipboardData.files;
  if (photo) takePhoto(photo);
});

let pause;
labels.addEventListener('input', () => {
  clearTimeout(pause);
  pause = setTimeout(takeLabels, PAUSE_MS);
});
takeLabels();
