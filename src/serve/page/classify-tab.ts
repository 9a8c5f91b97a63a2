/** The tab that classifies a photo, with labels of one's own. */
import { Drop } from './drop.ts';
import { attempt, element, get, say } from './elements.ts';
import { ask } from './requests.ts';

const question = get<HTMLFormElement>('question');
export const classifyDrop = new Drop('classify-drop', () => void classify());
let labels = ['cat', 'dog', 'person', 'car', 'food', 'landscape'];

function showLabels(): void {
  get('labels').replaceChildren(
    ...labels.map((label) => {
      const button = element('button', `${label} ×`);
      button.type = 'button';
      button.setAttribute('aria-label', `Remove ${label}`);
      button.addEventListener('click', () => {
        labels = labels.filter((one) => one !== label);
        showLabels();
        labelInput.focus();
      });
      const item = element('li');
      item.append(button);
      return item;
    }),
  );
}

const labelInput = question.elements.namedItem('label') as HTMLInputElement;
function addLabels(): void {
  const added = labelInput.value.split(',').map((label) => label.trim());
  labels = [...new Set([...labels, ...added.filter((label) => label !== '')])];
  labelInput.value = '';
  showLabels();
}
get('add-label').addEventListener('click', addLabels);
labelInput.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter') return;
  event.preventDefault();
  addLabels();
});

const classify = () =>
  attempt('said', async () => {
    if (labelInput.value !== '') addLabels();
    const { file } = classifyDrop;
    if (!file || labels.length === 0) {
      say('said', file ? 'Add a label.' : 'Choose a photo.');
      return;
    }
    const body = new FormData();
    body.append('inputs', file);
    for (const label of labels) body.append('candidate_labels', label);
    if (labels.length === 1) body.append('candidate_labels', 'something else');
    body.append('hypothesis_template', (question.elements.namedItem('template') as HTMLInputElement).value);
    const ranked = (await (await ask('classify', { method: 'POST', body })).json()) as {
      label: string;
      score: number;
    }[];
    get('bars').replaceChildren(
      ...ranked.map(({ label, score }) => {
        const item = element('li');
        const bar = element('progress');
        bar.value = score;
        bar.setAttribute('aria-label', label);
        item.append(element('span', label), bar, element('span', `${(100 * score).toFixed(1)} %`, 'score'));
        return item;
      }),
    );
    say('said', `${ranked[0]!.label}: ${(100 * ranked[0]!.score).toFixed(1)} %`);
  });
question.addEventListener('submit', (event) => {
  event.preventDefault();
  void classify();
});
showLabels();
