export default function Forbidden() {
  return (
    <main>
      <header className="page-head">
        <p className="eyebrow">403</p>
        <h1>Not for you to see</h1>
        <p>Sign in as somebody who may. In a new copy of this application, fill in src/lib/session.ts first.</p>
      </header>
    </main>
  );
}
