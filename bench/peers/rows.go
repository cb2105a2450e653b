package main

import "database/sql"

// eachPoint calls fn with the rows of step, time and value, and closes rows.
func eachPoint(rows *sql.Rows, fn func(steps, times []int64, values []float64) error) error {
	defer rows.Close()
	const piece = 4096
	steps, times, values := make([]int64, 0, piece), make([]int64, 0, piece), make([]float64, 0, piece)
	for rows.Next() {
		var p point
		if err := rows.Scan(&p.step, &p.time, &p.value); err != nil {
			return err
		}
		steps, times, values = append(steps, p.step), append(times, p.time), append(values, p.value)
		if len(steps) == piece {
			if err := fn(steps, times, values); err != nil {
				return err
			}
			steps, times, values = steps[:0], times[:0], values[:0]
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return fn(steps, times, values)
}

// countBuckets adds up the first column of rows of a count, a minimum and a
// maximum, and closes rows.
func countBuckets(rows *sql.Rows) (points int64, err error) {
	defer rows.Close()
	for rows.Next() {
		var n int64
		var low, high float64
		if err := rows.Scan(&n, &low, &high); err != nil {
			return 0, err
		}
		points += n
	}
	return points, rows.Err()
}
