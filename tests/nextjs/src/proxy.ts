// An address that is no text once it is decoded names nothing; Next.js itself would answer 500.
import { type NextRequest, NextResponse } from 'next/server';

export function proxy(request: NextRequest): NextResponse {
  try {
    decodeURIComponent(request.nextUrl.pathname);
    return NextResponse.next();
  } catch {
    return new NextResponse('Not found', { status: 404 });
  }
}
