export default function Page() {
  return <p>The API is at {process.env.NEXT_PUBLIC_API_URL}.</p>;
}
