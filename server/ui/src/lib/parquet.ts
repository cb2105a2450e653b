// Parquet files, read by ranges: the first rows of a preview need the end of the file
// and the first pages. A file may lie about its sizes, so unpacked bytes are counted.

import { parquetMetadataAsync, parquetRead, parquetSchema, snappyUncompress, type AsyncBuffer, type SchemaTree } from 'hyparquet'
import { decompressBrotli, decompressGzip, decompressLz4, decompressLz4Raw, decompressZstd } from 'hyparquet-compressors'
import { fetchFile } from './fetchfile'
import type { Columns } from './preview'
import { tableWords as words } from './tablewords'

const mostUnpacked = 1 << 30, mostValues = 100e6, mostFooter = 32 << 20, mostColumns = 500

export interface Parquet extends Columns { types: string[], total: number, by: string, allColumns: number }

class TooLarge extends Error {}

/** Reads the first rows, of all columns or of those that are picked of a table of so many rows. */
export async function readParquet(url: string, size: number, rows: number, mostBytes: number, pick?: (names: string[], rows: number) => string[]): Promise<Parquet> {
  let fetched = 0, unpacked = 0
  const file: AsyncBuffer = {
    byteLength: size,
    async slice(from, to = size) {
      fetched += to - from
      if (fetched > mostBytes + mostFooter || to - from < 0) throw new TooLarge(words.manyBytes)
      const bytes = await (await fetchFile(url, from, to)).arrayBuffer()
      if (bytes.byteLength !== to - from) throw new Error(words.changed)
      return bytes
    },
  }
  const counted = (unpack: (b: Uint8Array, n: number) => Uint8Array) => (b: Uint8Array, n: number) => {
    unpacked += n
    if (!(n >= 0) || unpacked > mostUnpacked) throw new TooLarge(words.muchUnpacked)
    return unpack(b, n)
  }
  const snappy = (b: Uint8Array, n: number) => {
    const out = new Uint8Array(n)
    snappyUncompress(b, out)
    return out
  }
  const metadata = await parquetMetadataAsync(file, { initialFetchSize: 1 << 16 })
  const top = parquetSchema(metadata).children
  const total = Number(metadata.num_rows), picked = pick?.(top.map((c) => c.element.name), total)
  const named = (picked ? top.filter((c) => picked.includes(c.element.name)) : top).slice(0, mostColumns)
  const names = named.map((c) => c.element.name)
  const out: Parquet = { names, columns: names.map(() => []), rows: 0, cut: total > rows, types: named.map(typeOf), total, by: metadata.created_by ?? '', allColumns: top.length }
  if (!names.length || !total) return out
  const values = metadata.row_groups.slice(0, rows >= total ? undefined : 1).flatMap((g) => g.columns)
    .reduce((n, c) => n + (names.includes(c.meta_data?.path_in_schema[0] ?? '') ? Number(c.meta_data?.num_values) : 0), 0)
  if (!(values <= mostValues)) throw new TooLarge(words.manyValues)
  await parquetRead({
    file, metadata, columns: names, rowStart: 0, rowEnd: Math.min(rows, total), useOffsetIndex: true,
    compressors: {
      SNAPPY: counted(snappy), GZIP: counted(decompressGzip), BROTLI: counted(decompressBrotli),
      ZSTD: counted((b, n) => decompressZstd(b, new Uint8Array(n))), LZ4: counted(decompressLz4), LZ4_RAW: counted(decompressLz4Raw),
    },
    onComplete(found) {
      out.rows = found.length
      out.columns = names.map((_, c) => found.map((r) => r[c] as unknown))
    },
  })
  return out
}

/** The type of a column as people say it. */
function typeOf(c: SchemaTree): string {
  const e = c.element, logical = e.logical_type?.type
  if (c.children.length) return e.converted_type === 'LIST' || logical === 'LIST' ? 'list' : e.converted_type === 'MAP' || logical === 'MAP' ? 'map' : 'struct'
  if (logical === 'DECIMAL' || e.converted_type === 'DECIMAL') return `decimal(${e.precision},${e.scale ?? 0})`
  if (logical) return logical === 'INTEGER' ? `int${'bitWidth' in e.logical_type! ? e.logical_type.bitWidth : ''}` : logical.toLowerCase()
  if (e.converted_type) return e.converted_type === 'UTF8' ? 'string' : e.converted_type.toLowerCase()
  return { BOOLEAN: 'bool', INT32: 'int32', INT64: 'int64', INT96: 'timestamp', FLOAT: 'float', DOUBLE: 'double', BYTE_ARRAY: 'binary', FIXED_LEN_BYTE_ARRAY: 'binary' }[e.type ?? 'BYTE_ARRAY']
}
