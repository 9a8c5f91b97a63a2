'use client';
import { loadClip } from 'edgeclip';
import { useEffect, useState } from 'react';
import { answer } from '../answer.js';
import { post, read } from '../web.js';

export default function Page() {
  const [labels, setLabels] = useState('...');
  useEffect(() => {
    const found = answer(loadClip, read);
    found.then(setLabels, () => {});
    post(found);
  }, []);
  return <p>{labels}</p>;
}
