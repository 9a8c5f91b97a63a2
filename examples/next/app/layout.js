export const metadata = { title: 'What is in the picture?' };

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body style={{ font: '1rem system-ui, sans-serif', maxWidth: '36rem', margin: '2rem auto', padding: '0 1rem' }}>{children}</body>
    </html>
  );
}
