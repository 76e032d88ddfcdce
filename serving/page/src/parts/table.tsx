/** A table that is sorted by a click on a header and shown page by page. What it sorts is what was loaded. */

import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";

export interface Column<Row> {
  title: string;
  cell: (row: Row) => ComponentChildren;
  /** What the column is sorted by; unknown values (null) stand last either way. */
  by?: (row: Row) => number | string | null;
  isNumber?: boolean;
}

interface Props<Row> {
  caption: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  pageSize?: number | undefined;
  /** Where there is more than was loaded. */
  onMore?: (() => void) | undefined;
}

interface Order {
  column: number;
  isDescending: boolean;
}

const PAGE_SIZE = 25;

export function sorted<Row>(rows: readonly Row[], by: (row: Row) => number | string | null, isDescending: boolean): Row[] {
  const keyed = rows.map((row) => ({ row, key: by(row) }));
  const sign = isDescending ? -1 : 1;
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return Number(a.key === null) - Number(b.key === null);
    if (typeof a.key === "number" && typeof b.key === "number") return sign * (a.key - b.key);
    return sign * String(a.key).localeCompare(String(b.key), "en", { numeric: true });
  });
  return keyed.map(({ row }) => row);
}

export function Table<Row>({ caption, columns, rows, keyOf, pageSize = PAGE_SIZE, onMore }: Props<Row>) {
  const [order, setOrder] = useState<Order | null>(null);
  const [page, setPage] = useState(0);
  const ordered = useMemo(() => {
    const by = order === null ? undefined : columns[order.column]?.by;
    return order === null || by === undefined ? rows : sorted(rows, by, order.isDescending);
  }, [rows, order]);
  const last = Math.max(0, Math.ceil(rows.length / pageSize) - 1);
  const shown = Math.min(page, last);
  const sortBy = (column: number) => {
    setOrder((before) => ({ column, isDescending: before?.column === column ? !before.isDescending : false }));
    setPage(0);
  };
  return (
    <>
      <div class="table-frame" role="region" aria-label={caption} tabIndex={0}>
        <table>
          <caption class="unseen">{caption}</caption>
          <thead>
            <tr>
              {columns.map((column, index) => (
                <Header key={column.title} column={column} order={order?.column === index ? order : null} onSort={() => sortBy(index)} />
              ))}
            </tr>
          </thead>
          <tbody>
            {ordered.slice(shown * pageSize, (shown + 1) * pageSize).map((row) => (
              <tr key={keyOf(row)}>
                {columns.map((column) => (
                  <td key={column.title} class={column.isNumber ? "number" : undefined}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {(last > 0 || onMore !== undefined) && (
        <nav class="pages" aria-label={`Pages: ${caption}`}>
          <button type="button" disabled={shown === 0} onClick={() => setPage(shown - 1)}>
            Previous
          </button>
          <span>
            Page {shown + 1} of {last + 1}, {rows.length} rows loaded
          </span>
          <button type="button" disabled={shown === last} onClick={() => setPage(shown + 1)}>
            Next
          </button>
          {onMore !== undefined && (
            <button type="button" onClick={onMore}>
              Load more
            </button>
          )}
        </nav>
      )}
    </>
  );
}

interface HeaderProps<Row> {
  column: Column<Row>;
  order: Order | null;
  onSort: () => void;
}

function Header<Row>({ column, order, onSort }: HeaderProps<Row>) {
  const sort = order === null ? "none" : order.isDescending ? "descending" : "ascending";
  const kind = column.isNumber ? "number" : undefined;
  if (column.by === undefined) return <th scope="col" class={kind}>{column.title}</th>;
  return (
    <th scope="col" class={kind} aria-sort={sort}>
      <button type="button" class="sort" onClick={onSort}>
        {column.title}
        <span aria-hidden="true">{{ none: "", ascending: " ▲", descending: " ▼" }[sort]}</span>
      </button>
    </th>
  );
}
