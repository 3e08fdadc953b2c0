import Link from 'next/link';

export default function NotFound() {
  return (
    <main>
      <header className="page-head">
        <h1>Not found</h1>
        <p>
          There is no such page or learner. <Link href="/">All learners</Link>
        </p>
      </header>
    </main>
  );
}
