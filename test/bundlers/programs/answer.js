export const FILES = ['cat.png', 'rocket.jpg', 'picture.webp'];

/** The best label of three pictures, each of another decoder. */
export async function answer(loadClip, read) {
  const classifier = await (await loadClip()).classifier(['dog', 'cat', 'rocket']);
  const labels = [];
  for (const file of FILES) labels.push((await classifier.classify(await read(file)))[0].label);
  return labels.join(' ');
}
