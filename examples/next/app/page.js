import Ranking from './ranking';

export default function Page() {
  return (
    <main>
      <h1>What is in the picture?</h1>
      <Ranking />
    </main>
  );
}
