/** A report as one HTML file that needs nothing else: no script, no server, no other file. */
import { htmlText } from '../html.ts';
import { headline, percent, type Report } from './report.ts';
import type { Classification } from './tally.ts';

/** A confusion matrix with more classes shows the most confused of them. */
const MOST_CLASSES = 40;

/** @param thumbnails `data:` addresses of pictures by their file; those that are missing are shown by name alone */
export function reportHtml(report: Report, thumbnails: ReadonlyMap<string, string>): string {
  const { task, folder, model, classification, retrieval, comparison, failed } = report;
  const cards = headline(report).map(
    ([name, value]) => `<div class="card"><b>${htmlText(value)}</b><span>${htmlText(name)}</span></div>`,
  );
  const about = Object.entries({
    model,
    precision: report.precision,
    'image size': `${report.imageSize} x ${report.imageSize}`,
    folder,
    pictures: failed.length > 0 ? `${report.pictures}, ${failed.length} more could not be read` : report.pictures,
    ...report.settings,
    edgeclip: report.edgeclip,
  }).map(([name, value]) => `<tr><th>${htmlText(name)}</th><td>${htmlText(String(value))}</td></tr>`);
  const picture = (file: string, ...lines: readonly string[]) => {
    const address = thumbnails.get(file);
    const image =
      address === undefined
        ? '<div class="none">no preview</div>'
        : `<img src="${address}" alt="" width="112" height="112">`;
    return `<figure>${image}<figcaption>${lines.join('<br>')}<br><span class="file">${htmlText(file)}</span></figcaption></figure>`;
  };
  const sections: string[] = [];
  if (classification) {
    const { worst } = classification;
    sections.push(
      section('Classes', classTable(classification)),
      section('Confusion', confusionTable(classification)),
      section(
        'Worst pictures',
        gallery(
          worst.map(({ file, label, predicted, score, ownScore, rank }) =>
            picture(
              file,
              `taken for <b>${htmlText(predicted)}</b> ${share(score)}`,
              `is ${htmlText(label)} ${share(ownScore)}, place ${rank}`,
            ),
          ),
          'Every picture was right.',
        ),
      ),
    );
  }
  if (retrieval) {
    sections.push(
      section(
        'Worst pictures',
        gallery(
          retrieval.worst.map(({ file, caption, first, rank }) =>
            picture(file, `first caption: <b>${htmlText(first)}</b>`, `own, place ${rank}: ${htmlText(caption)}`),
          ),
          'The first caption of every picture was its own.',
        ),
      ),
    );
  }
  if (comparison) {
    const [one, other] = comparison.precisions;
    if (comparison.disagreements) {
      sections.push(
        section(
          `Pictures that ${one} and ${other} name differently`,
          gallery(
            comparison.disagreements.map(({ file, first }) =>
              picture(
                file,
                ...first.map(
                  ({ label, score }, i) => `${i === 0 ? one : other}: <b>${htmlText(label)}</b> ${share(score)}`,
                ),
              ),
            ),
            'None.',
          ),
        ),
      );
    }
    sections.push(
      section(
        'Lowest cosines',
        gallery(
          comparison.lowest.map(({ file, cosine }) => picture(file, `cosine ${cosine.toFixed(7)}`)),
          '',
        ),
      ),
    );
  }
  if (failed.length > 0) {
    const rows = failed.map(({ file, reason }) => `<tr><td>${htmlText(file)}</td><td>${htmlText(reason)}</td></tr>`);
    sections.push(section('Pictures that could not be read', `<table>${rows.join('\n')}</table>`));
  }
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${htmlText(`${task}: ${folder}`)}</title>
<style>${STYLE}</style>
<h1>${htmlText(task)}</h1>
<div class="cards">${cards.join('')}</div>
<table class="about">${about.join('\n')}</table>
${sections.join('\n')}
</html>
`;
}

const section = (title: string, content: string) => `<section><h2>${htmlText(title)}</h2>${content}</section>`;

const gallery = (figures: readonly string[], none: string) =>
  figures.length > 0 ? `<div class="gallery">${figures.join('\n')}</div>` : `<p>${none}</p>`;

function classTable({ classes }: Classification): string {
  const rows = [...classes]
    .sort((a, b) => a.top1 - b.top1)
    .map(
      ({ label, pictures, top1, top5 }) =>
        `<tr><td>${htmlText(label)}</td><td class="n">${pictures}</td><td class="n">${share(top1)}</td>` +
        `<td class="bar"><i style="width:${(top1 * 100).toFixed(1)}%"></i></td><td class="n">${share(top5)}</td></tr>`,
    );
  return `<table><tr><th>class</th><th>pictures</th><th>top-1</th><th></th><th>top-5</th></tr>${rows.join('\n')}</table>`;
}

/** Rows are the pictures' classes, columns what they were taken for. Shades are shares of the row. */
function confusionTable({ classes, confusion }: Classification): string {
  const labels = new Map<number, string>();
  const wrong = new Map<number, number>();
  for (const { label, index } of classes) labels.set(index, label);
  for (const { index, predicted, predictedIndex, pictures } of confusion) {
    labels.set(predictedIndex, predicted);
    if (index === predictedIndex) continue;
    for (const one of [index, predictedIndex]) wrong.set(one, (wrong.get(one) ?? 0) + pictures);
  }
  const total = new Map(classes.map(({ index, pictures }) => [index, pictures]));
  const all = [...labels.keys()].sort((a, b) => a - b);
  const shown =
    all.length <= MOST_CLASSES
      ? all
      : [...all].sort((a, b) => (wrong.get(b) ?? 0) - (wrong.get(a) ?? 0)).slice(0, MOST_CLASSES);
  const counts = new Map(
    confusion.map(({ index, predictedIndex, pictures }) => [`${index} ${predictedIndex}`, pictures]),
  );
  const name = (index: number) => htmlText(labels.get(index)!);
  const head = shown.map((index) => `<th class="up"><span>${name(index)}</span></th>`).join('');
  const rows = shown
    .filter((index) => total.has(index))
    .map((index) => {
      const cells = shown.map((predicted) => {
        const n = counts.get(`${index} ${predicted}`) ?? 0;
        if (n === 0) return '<td></td>';
        const share = n / total.get(index)!;
        const hue = index === predicted ? 150 : 20;
        const style = `background:hsl(${hue} 65% ${(92 - 47 * share).toFixed(0)}%);color:${share > 0.6 ? '#fff' : '#222'}`;
        const title = `${name(index)}: ${n} of ${total.get(index)} taken for ${name(predicted)}`;
        return `<td style="${style}" title="${title}">${n}</td>`;
      });
      return `<tr><th>${name(index)}</th>${cells.join('')}</tr>`;
    });
  const note = all.length > shown.length ? `<p>The ${shown.length} most confused of ${all.length} classes.</p>` : '';
  return (
    `${note}<p>Rows are classes, columns what their pictures were taken for.</p>` +
    `<div class="wide"><table class="confusion"><tr><th></th>${head}</tr>${rows.join('\n')}</table></div>`
  );
}

/** A number and its sign stay on one line. */
const share = (value: number) => percent(value).replace(' ', '\u00a0');

const STYLE = `
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; } h1::first-letter { text-transform: uppercase; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid #ddd; padding-bottom: .2rem; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin-bottom: 1.2rem; }
.card { border: 1px solid #ddd; border-radius: .5rem; padding: .6rem 1rem; }
.card b { display: block; font-size: 1.15rem; } .card span { color: #666; }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem .7rem .2rem 0; vertical-align: top; }
th { font-weight: 600; } .about th { color: #666; font-weight: 400; } td.n { text-align: right; font-variant-numeric: tabular-nums; }
.bar { width: 12rem; } .bar i { display: block; height: .8rem; margin-top: .35rem; background: #3a8f68; min-width: 1px; }
.wide { overflow-x: auto; } .confusion { font-size: 12px; }
.confusion td { border: 1px solid #eee; width: 1.9rem; height: 1.7rem; min-width: 1.9rem; padding: 0; text-align: center; vertical-align: middle; }
.confusion th { font-weight: 400; white-space: nowrap; text-align: right; max-width: 14rem; overflow: hidden; text-overflow: ellipsis; }
.confusion th.up { vertical-align: bottom; text-align: left; padding: 0; height: 9rem; max-width: 1.9rem; overflow: visible; }
.confusion th.up span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 9rem; overflow: hidden; text-overflow: ellipsis; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 1rem; }
figure { margin: 0; display: flex; gap: .7rem; font-size: 13px; line-height: 1.35; overflow-wrap: anywhere; }
figure img, .none { width: 112px; height: 112px; flex: none; border-radius: .3rem; background: #eee; }
.none { color: #888; text-align: center; line-height: 112px; } .file { color: #777; }
`;
